//! The domain by example: given what was commanded before, when a command, then facts or a rejection.

mod catalogue;
mod edges;
mod reservations;
mod stock;
mod stores;
mod world;
