//! The settings of the all-in-one program: those of the three services, each group once.

use clap::{Args, Parser, Subcommand};
use command_service::CommandSettings;
use listener_service::config::ListenerSettings;
use query_service::config::ReadSettings;
use shared::settings::{HostSettings, KafkaSettings, LogSettings, RedisSettings, RetentionSettings, SqliteSettings};

use crate::import::ImportSettings;

/// Inventory for a retail chain: the write API, the read API and the single writer in one process. Without
/// `KAFKA_BROKERS` the broker is embedded; data is in SQLite.
#[derive(Parser)]
#[command(name = "inventory", version, args_conflicts_with_subcommands = false)]
pub struct Program {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub task: Option<Task>,
    /// How to serve.
    #[command(flatten)]
    pub run: RunSettings,
}

/// What the program does besides serving.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Fill a demo catalogue, always the same one, through the write API: of a running trio if there is one, else of
    /// one started for this.
    Seed(SeedSettings),

    /// Create the items of a CSV file through the write API of a running system, and report what became of each row. A
    /// second run of the same file changes nothing: an outcome is remembered for `OUTCOME_RETENTION_HOURS`.
    Import(ImportSettings),
}

/// What to fill in.
#[derive(Debug, Clone, Args)]
pub struct SeedSettings {
    /// How many items.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items: u32,
}

/// How to serve.
#[derive(Clone, Args)]
pub struct RunSettings {
    /// Where to listen.
    #[command(flatten)]
    pub host: HostSettings,
    /// The write API.
    #[command(flatten)]
    pub command: CommandSettings,
    /// The read API.
    #[command(flatten)]
    pub reads: ReadSettings,
    /// The writer.
    #[command(flatten)]
    pub listener: ListenerSettings,
    /// The database.
    #[command(flatten)]
    pub sqlite: SqliteSettings,
    /// The retention.
    #[command(flatten)]
    pub retention: RetentionSettings,
    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// The read model.
    #[command(flatten)]
    pub redis: RedisSettings,
    /// Logs.
    #[command(flatten)]
    pub log: LogSettings,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Program;

    #[test]
    fn the_command_line_is_sound() {
        Program::command().debug_assert();
    }
}
