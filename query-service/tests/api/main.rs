//! query-service through HTTP, on a real database file; every answer is held to the OpenAPI document.

#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod freshness;
mod items;
mod lists;
mod outcomes;
mod source;
mod tokens;
mod world;
