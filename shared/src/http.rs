//! HTTP as every service speaks it: serving, request ids, strict bodies and queries, health, metrics, OpenAPI.

pub mod body;
pub mod context;
pub mod docs;
pub mod health;
pub mod operations;
pub mod params;
pub mod server;
