//! query-service through HTTP, on a real database file; every answer is held to the OpenAPI document.

#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod availability;
mod dice;
mod filters;
mod freshness;
mod items;
mod lists;
mod movements;
mod outcomes;
mod overviews;
mod past;
mod reservations;
mod source;
mod stores;
mod tokens;
mod world;
mod writer;
