//! The write API: checks the form of a request, emits one event that says what was requested, and answers 202.
//!
//! It decides nothing about stock and keeps nothing: no database, no memory of earlier requests. Any number may run.
//! What it promises with a 202 is that the log has the command; what becomes of it, the writer decides.

mod accepted;
mod app;
mod config;
mod headers;
mod http;
mod intake;
mod log;
mod message;

pub use app::App;
pub use config::{CommandSettings, Config, Program, QueryBaseUrl};
