//! The read API: memory first, then SQLite, read-only.
//!
//! A `follower` reads the journal as it grows and tells `following` what changed; `cache` keeps documents that are
//! valid only while nothing newer was told of their key; `model` puts the sources in order; `http` answers.

pub mod app;
pub mod config;

mod cache;
mod document;
mod follower;
mod following;
mod http;
mod model;
mod query;
mod source;

pub use app::App;
pub use config::{Config, Program, ReadSettings};
