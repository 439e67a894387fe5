//! What the business allows: pure, total, without I/O, clock or randomness.
//!
//! `decide` says what follows from a command, `expire` what follows from a deadline, `evolve` what follows from a fact.
//! The invariant that all keep, at every level: `0 ≤ reserved ≤ quantity ≤ 1,000,000,000`, and `reserved` is what the
//! pending reservations hold.

mod by_store;
mod decide;
mod draft;
mod state;

pub use by_store::ByStore;
pub use decide::{Rejection, Request, decide, expire};
pub use draft::Change;
pub use state::{Aggregate, Item, Level, Reservation, Situation, Store};
