//! The settings of the listener.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use kafka::{Connection, Topics};
use shared::settings::{
    HostSettings, KafkaSettings, LogSettings, RedisAddress, RedisSettings, RetentionSettings, SettingsError,
    SqliteSettings,
};

/// The settings that are the listener's own; programs flatten them beside the shared groups.
#[derive(Debug, Clone, Args)]
pub struct ListenerSettings {
    /// Where the listener listens.
    #[arg(long, env = "LISTENER_PORT", default_value_t = 8082)]
    pub listener_port: u16,

    /// The consumer group that commits are made under, for lag tools.
    #[arg(long, env = "KAFKA_GROUP_ID", default_value = "listener-service")]
    pub kafka_group_id: String,

    /// The most messages in one transaction.
    #[arg(long, env = "BATCH_MAX", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_max: u32,

    /// How often a command that fails unexpectedly is tried again before it is dead-lettered.
    #[arg(long, env = "MAX_RETRIES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub max_retries: u32,

    /// The first pause before trying again; it doubles.
    #[arg(long, env = "RETRY_DELAY_MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub retry_delay_ms: u64,

    /// The longest pause before trying again.
    #[arg(long, env = "RETRY_MAX_DELAY_MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub retry_max_delay_ms: u64,

    /// How long a writer's heartbeat may stand still before a standby takes over.
    #[arg(long, env = "LEASE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub lease_seconds: u64,

    /// Follow this log, though the data follows another or the position is outside it (docs/OPERATIONS.md).
    #[arg(long, value_name = "ID")]
    pub accept_new_log: Option<String>,
}

impl ListenerSettings {
    /// How long a holder may stand still.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// The writer's part.
    pub fn writer(&self, retention: Duration) -> WriterOptions {
        WriterOptions {
            batch_max: usize::try_from(self.batch_max).unwrap_or(usize::MAX),
            max_retries: self.max_retries,
            retry_delay: Duration::from_millis(self.retry_delay_ms),
            retry_max_delay: Duration::from_millis(self.retry_max_delay_ms),
            lease: self.lease(),
            retention,
        }
    }
}

/// The bounds of the writer's work.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// The most messages in one transaction.
    pub batch_max: usize,
    /// Tries after the first.
    pub max_retries: u32,
    /// The first pause.
    pub retry_delay: Duration,
    /// The longest pause.
    pub retry_max_delay: Duration,
    /// How long a holder may stand still.
    pub lease: Duration,
    /// How long outcomes are kept.
    pub retention: Duration,
}

/// What to do when another process holds the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenHeld {
    /// Wait for the lease.
    StandBy,
    /// Say who holds it, and end.
    Refuse,
}

/// Everything that a listener is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 for any.
    pub port: u16,
    /// The database file.
    pub sqlite_path: PathBuf,
    /// The broker.
    pub kafka: Connection,
    /// The topics.
    pub topics: Topics,
    /// For commits.
    pub group_id: String,
    /// Bounds.
    pub writer: WriterOptions,
    /// The Redis that holds the read model, if there is one.
    pub redis: Option<RedisAddress>,
    /// The log that the operator accepts.
    pub accept_new_log: Option<String>,
    /// Another holder.
    pub when_held: WhenHeld,
}

/// listener-service: the only writer. Consumes what was requested, decides it, and publishes what came of it.
#[derive(Parser)]
#[command(name = "listener-service", version)]
pub struct Program {
    /// Where to listen.
    #[command(flatten)]
    pub host: HostSettings,
    /// Its own settings.
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

    /// Do nothing but bring the schema of `SQLITE_PATH` back to this version, for an older program (docs/OPERATIONS.md).
    #[arg(long, value_name = "VERSION")]
    pub go_down_to: Option<usize>,
}

impl Config {
    /// Of the listener as a program of its own.
    pub fn from_program(program: &Program) -> Result<Self, SettingsError> {
        let kafka = Connection::from_settings(&program.kafka)?
            .ok_or_else(|| SettingsError::new("KAFKA_BROKERS", "is required, host:port of a Kafka broker"))?;
        let groups = Groups {
            host: &program.host,
            listener: &program.listener,
            sqlite: &program.sqlite,
            retention: &program.retention,
            kafka: &program.kafka,
            redis: &program.redis,
        };
        Ok(groups.config(kafka, WhenHeld::StandBy))
    }
}

/// The groups of settings that a listener is configured by, whichever program they are part of.
#[derive(Clone, Copy)]
pub struct Groups<'a> {
    /// Where to listen.
    pub host: &'a HostSettings,
    /// The listener's own.
    pub listener: &'a ListenerSettings,
    /// The database.
    pub sqlite: &'a SqliteSettings,
    /// The retention.
    pub retention: &'a RetentionSettings,
    /// The topics.
    pub kafka: &'a KafkaSettings,
    /// The read model.
    pub redis: &'a RedisSettings,
}

impl Groups<'_> {
    /// The configuration that they make, with the broker to use.
    pub fn config(self, kafka: Connection, when_held: WhenHeld) -> Config {
        Config {
            host: self.host.host.clone(),
            port: self.listener.listener_port,
            sqlite_path: self.sqlite.sqlite_path.clone(),
            kafka,
            topics: Topics::from(&self.kafka.topics),
            group_id: self.listener.kafka_group_id.clone(),
            writer: self.listener.writer(self.retention.retention()),
            redis: self.redis.address(),
            accept_new_log: self.listener.accept_new_log.clone(),
            when_held,
        }
    }
}
