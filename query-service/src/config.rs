//! What query-service is told at its start: a plain [`Config`], and the settings that it is made from.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use shared::settings::{HostSettings, LogSettings, RedisAddress, RedisSettings, RetentionSettings, SettingsError};

/// Everything that [`crate::App`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 for any free one.
    pub port: u16,
    /// The database that a listener-service writes; it need not exist yet. Without it Redis is all there is to read.
    pub sqlite_path: Option<PathBuf>,
    /// The Redis that holds the read model; it need not be there yet.
    pub redis: Option<RedisAddress>,
    /// The longest that an entry stays in memory.
    pub cache_ttl: Duration,
    /// The most documents in memory: items, reservations and stores.
    pub cache_capacity: u64,
    /// The longest that a read with a token waits.
    pub read_wait: Duration,
    /// How long outcomes are kept.
    pub retention: Duration,
}

/// How to read.
#[derive(Debug, Clone, Args)]
pub struct ReadSettings {
    /// The port of query-service.
    #[arg(long, env = "QUERY_PORT", default_value_t = 8081)]
    pub query_port: u16,

    /// The longest that a document stays in memory without being read from its source again.
    #[arg(long, env = "CACHE_TTL_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub cache_ttl_seconds: u64,

    /// The most items, reservations and stores that are kept in memory.
    #[arg(long, env = "CACHE_CAPACITY", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub cache_capacity: u64,

    /// How long a read that carries a consistency token waits for that write to be applied.
    #[arg(long, env = "READ_WAIT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(0..=60000))]
    pub read_wait_ms: u64,
}

impl ReadSettings {
    /// Together with what other groups of settings say.
    pub fn config(
        &self,
        host: &HostSettings,
        sqlite_path: Option<PathBuf>,
        redis: &RedisSettings,
        retention: &RetentionSettings,
    ) -> Config {
        Config {
            host: host.host.clone(),
            port: self.query_port,
            sqlite_path,
            redis: redis.address(),
            cache_ttl: Duration::from_secs(self.cache_ttl_seconds),
            cache_capacity: self.cache_capacity,
            read_wait: Duration::from_millis(self.read_wait_ms),
            retention: retention.retention(),
        }
    }
}

/// query-service: the read API of the inventory.
#[derive(Parser)]
#[command(name = "query-service", version)]
pub struct Program {
    /// Where to listen.
    #[command(flatten)]
    pub host: HostSettings,

    /// What to log.
    #[command(flatten)]
    pub log: LogSettings,

    /// How to read.
    #[command(flatten)]
    pub reads: ReadSettings,

    /// How long outcomes are kept.
    #[command(flatten)]
    pub retention: RetentionSettings,

    /// The read model.
    #[command(flatten)]
    pub redis: RedisSettings,

    /// The database file that listener-service writes, on this host; it need not exist yet. Without it, everything is
    /// read from Redis.
    #[arg(long, env = "SQLITE_PATH")]
    pub sqlite_path: Option<PathBuf>,
}

impl Program {
    /// What the settings say.
    pub fn config(&self) -> Result<Config, SettingsError> {
        let config = self.reads.config(&self.host, self.sqlite_path.clone(), &self.redis, &self.retention);
        if config.sqlite_path.is_none() && config.redis.is_none() {
            return Err(SettingsError::new("SQLITE_PATH", "is required, or REDIS_HOST: there is nothing to read from"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_anything_to_read_from_both_variables_are_named() {
        for arguments in [&["query-service"][..], &["query-service", "--redis-host", ""]] {
            let error = Program::parse_from(arguments).config().expect_err("nothing to read from").to_string();
            assert!(error.contains("SQLITE_PATH") && error.contains("REDIS_HOST"), "{error}");
        }
        assert!(Program::parse_from(["query-service", "--redis-host", "r"]).config().is_ok());
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let config = Program::parse_from(["query-service", "--sqlite-path", "x.db"]).config().expect("enough");
        assert_eq!((config.port, config.cache_capacity), (8081, 100_000));
        assert_eq!((config.cache_ttl.as_secs(), config.read_wait.as_millis()), (300, 2000));
        assert!(config.redis.is_none());
    }
}
