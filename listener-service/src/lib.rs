//! listener-service: consumes what was requested, decides it in the order of the log, and is the only writer.

mod aggregates;
pub mod app;
mod clock;
pub mod config;
mod consumer;
pub mod database;
pub mod dead_letter;
pub mod domain;
mod http;
mod intake;
mod journal;
pub mod lease;
pub mod logs;
mod outcomes;
pub mod process;
pub mod projector;
mod publisher;
mod retry;
pub mod status;
mod supervisor;
mod work;
pub mod writer;
