//! The whole trio in one process: embedded broker or Kafka, SQLite, moka.

pub mod import;
pub mod seed;
pub mod settings;
pub mod trio;
