//! What the business allows: pure, total, without I/O, clock or randomness.
//!
//! `decide` says what follows from a command, `evolve` what follows from a fact. The invariant that both keep, at
//! every level: `0 ≤ reserved ≤ quantity ≤ 1,000,000,000`.

mod decide;
mod state;

pub use decide::{Change, Rejection, Request, decide};
pub use state::{Aggregate, Item, Level};
