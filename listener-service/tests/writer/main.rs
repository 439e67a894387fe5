//! The writer against a real SQLite: duplicates, replays, conflicts, poison, deadlines, a full disk, and another writer.

mod bench;
mod expiries;
mod faults;
mod going_down;
mod histories;
mod outcomes;
