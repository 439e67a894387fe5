//! What the tests of all crates share.
//!
//! [`contract`] speaks HTTP and holds every answer to the service's own OpenAPI document; [`checker`] holds a database
//! to the invariants of the system; [`poll`] waits for something, bounded; [`kafka`] and [`redis_server`] are a real
//! broker and a real Redis, [`read_model`] holds what is in the latter to the database, and [`topics`] what was published.
//! [`proxy`] makes the way to a server bad. Each checker is shown to catch what it is for. [`process`] is one process of
//! ours, of the programs that [`binaries`] builds. [`model`] is a naive inventory, and random commands, to hold the
//! writer against.

pub mod binaries;
pub mod checker;
pub mod contract;
pub mod kafka;
pub mod model;
pub mod poll;
pub mod process;
pub mod proxy;
pub mod read_model;
pub mod redis_server;
pub mod topics;
