//! Settings: flag, variable, default and help in one declaration, in groups that programs compose.
//!
//! They are read once, at the start. What is wrong exits with 64 and names the variable.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {detail}")]
pub struct SettingsError {
    variable: &'static str,
    detail: String,
}

impl SettingsError {
    /// What is wrong with `variable`.
    pub fn new(variable: &'static str, detail: impl Into<String>) -> Self {
        Self { variable, detail: detail.into() }
    }
}

/// Reads `.env` (what the environment has wins), the environment and the flags. Ends the process with 64 and a message
/// that names what is wrong, or with 0 after `--help` and `--version`.
pub fn read<P: Parser>() -> P {
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        eprintln!("error: .env: {error}");
        std::process::exit(i32::from(crate::lifecycle::EXIT_SETTINGS));
    }
    P::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        let code = if error.use_stderr() { crate::lifecycle::EXIT_SETTINGS } else { 0 };
        std::process::exit(i32::from(code));
    })
}

/// Where to listen; each service adds its port.
#[derive(Debug, Clone, Args)]
pub struct HostSettings {
    /// The address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// How long requests under way and messages in hand may take to end after the first signal.
    #[arg(long, env = "SHUTDOWN_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub shutdown_timeout_seconds: u64,
}

impl HostSettings {
    /// The time to drain.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}

/// The form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What to log, and how.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// error, warn, info, debug or trace; `target=level,…` for parts.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// json or text; without it text on a terminal, else json.
    #[arg(long, env = "LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Which topics; the defaults are those of docs/EVENTS.md.
#[derive(Debug, Clone, Args)]
pub struct TopicSettings {
    /// The topic of what was requested.
    #[arg(long, env = "KAFKA_TOPIC_COMMANDS", default_value = "inventory.commands")]
    pub kafka_topic_commands: String,

    /// The topic of what became of catalogue requests.
    #[arg(long, env = "KAFKA_TOPIC_ITEMS", default_value = "inventory.items")]
    pub kafka_topic_items: String,

    /// The topic of what became of stock requests.
    #[arg(long, env = "KAFKA_TOPIC_STOCK", default_value = "inventory.stock")]
    pub kafka_topic_stock: String,

    /// The topic of what could not be processed.
    #[arg(long, env = "KAFKA_TOPIC_DLQ", default_value = "inventory.dlq")]
    pub kafka_topic_dlq: String,
}

/// How to reach Kafka. Not `Debug`: a password may be among the properties.
#[derive(Clone, Args)]
pub struct KafkaSettings {
    /// Bootstrap brokers, `host:port,…`.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: Option<String>,

    /// `name=value,…` given to librdkafka as they are (TLS, SASL).
    #[arg(long, env = "KAFKA_PROPERTIES", hide_env_values = true)]
    pub kafka_properties: Option<String>,

    /// The topics.
    #[command(flatten)]
    pub topics: TopicSettings,
}

impl KafkaSettings {
    /// `KAFKA_PROPERTIES` as pairs.
    pub fn properties(&self) -> Result<Vec<(String, String)>, SettingsError> {
        let text = self.kafka_properties.as_deref().unwrap_or_default();
        text.split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
                // The value could be a secret, so it is not shown.
                None => Err(SettingsError::new("KAFKA_PROPERTIES", "must be name=value, separated by commas")),
            })
            .collect()
    }
}

/// How to reach the Redis that holds the read model. Not `Debug`: it has a password.
#[derive(Clone, Args)]
pub struct RedisSettings {
    /// The host of the Redis that holds the read model; without it there is none.
    #[arg(long, env = "REDIS_HOST")]
    pub redis_host: Option<String>,

    /// Its port.
    #[arg(long, env = "REDIS_PORT", default_value_t = 6379)]
    pub redis_port: u16,

    /// Its password.
    #[arg(long, env = "REDIS_PASSWORD", hide_env_values = true)]
    pub redis_password: Option<String>,

    /// The number of its database.
    #[arg(long, env = "REDIS_DB", default_value_t = 0, value_parser = clap::value_parser!(u16))]
    pub redis_db: u16,
}

impl RedisSettings {
    /// Where it is; none if there is no Redis to be used. An empty value is none, too: compose files write it so.
    pub fn address(&self) -> Option<RedisAddress> {
        let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Some(RedisAddress {
            host: present(&self.redis_host)?,
            port: self.redis_port,
            password: present(&self.redis_password),
            database: i64::from(self.redis_db),
        })
    }
}

/// One database of one Redis.
#[derive(Clone)]
pub struct RedisAddress {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its password, if it wants one.
    pub password: Option<String>,
    /// The number of the database.
    pub database: i64,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

/// Where the truth is, for the program that writes it.
#[derive(Debug, Clone, Args)]
pub struct SqliteSettings {
    /// The database file.
    #[arg(long, env = "SQLITE_PATH", default_value = Self::DEFAULT)]
    pub sqlite_path: PathBuf,
}

impl SqliteSettings {
    const DEFAULT: &str = "data/inventory.db";

    /// Makes the folder of the default path. Any other is the operator's: if it is missing, something that should be
    /// mounted there may be missing too, and a database beside it would be the wrong one.
    pub fn make_default_folder(&self) -> Result<(), SettingsError> {
        let path = Path::new(Self::DEFAULT);
        match path.parent().filter(|_| self.sqlite_path == path) {
            Some(folder) => std::fs::create_dir_all(folder).map_err(|error| {
                SettingsError::new("SQLITE_PATH", format!("cannot make {}: {error}", folder.display()))
            }),
            None => Ok(()),
        }
    }
}

/// How long outcomes and idempotency keys are kept.
#[derive(Debug, Clone, Args)]
pub struct RetentionSettings {
    /// How long outcomes and idempotency keys are kept.
    #[arg(long, env = "OUTCOME_RETENTION_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=87600))]
    pub outcome_retention_hours: u32,
}

impl RetentionSettings {
    /// The retention.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.outcome_retention_hours) * 3600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        kafka: KafkaSettings,
    }

    #[test]
    fn kafka_properties_are_pairs_and_a_broken_one_does_not_show_its_value() {
        let with = |text: &str| Program::parse_from(["p", "--kafka-properties", text]).kafka.properties();
        let pairs = with("a=b, sasl.password=x=y").expect("pairs");
        assert_eq!(pairs, [("a".into(), "b".into()), ("sasl.password".into(), "x=y".into())]);
        let error = with("secret").expect_err("no pair").to_string();
        assert!(error.starts_with("KAFKA_PROPERTIES") && !error.contains("secret"));
    }
}
