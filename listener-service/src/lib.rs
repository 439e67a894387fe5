//! listener-service: consumes what was requested, decides it in the order of the log, and is the only writer.

mod aggregates;
pub mod app;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod database;
pub mod dead_letter;
pub mod domain;
#[cfg(feature = "failpoints")]
pub mod failpoints;
mod giving_way;
pub mod going_down;
mod http;
pub mod incoming;
pub mod intake;
mod journal;
pub mod lease;
pub mod logs;
mod movements;
mod outcomes;
pub mod process;
pub mod program;
pub mod projector;
pub mod published;
pub mod publisher;
mod reservations;
mod retry;
pub mod schema;
pub mod status;
mod stores;
mod supervisor;
pub mod work;
pub mod writer;
