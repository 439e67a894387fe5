//! The writer against a real SQLite: duplicates, replays, conflicts, poison, a full disk, and another writer.

mod bench;
mod faults;
mod outcomes;
