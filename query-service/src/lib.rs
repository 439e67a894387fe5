//! The read API: Redis first, then memory, then SQLite, read-only; on a host without the database file, Redis alone.
//!
//! A `follower` reads the journal as it grows, or `announcements` hears of it, and tells `following` what changed;
//! `cache` keeps documents that are valid only while nothing newer was told of their key; `model` puts the sources
//! (`redis_model`, `cache`, `source`) in order; `http` answers, and `cursor` says where the next page begins.

pub mod app;
pub mod config;

mod announcements;
mod cache;
mod catalogue;
mod cursor;
mod document;
mod follower;
mod following;
mod http;
mod model;
mod query;
mod redis_model;
mod source;
mod together;

pub use app::App;
pub use config::{Config, Program, ReadSettings};
