//! What the tests of all crates share.
//!
//! [`contract`] speaks HTTP and holds every answer to the service's own OpenAPI document; [`checker`] holds a database
//! to the invariants of the system; [`poll`] waits for something, bounded; [`kafka`] is a real broker. Each is shown to
//! catch what it is for.

pub mod checker;
pub mod contract;
pub mod kafka;
pub mod poll;
