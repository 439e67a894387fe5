//! The three services, as they are shipped: their own programs, with the settings that they have by default.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use kafka::Topics;
use testkit::binaries::binary;
use testkit::process::{Process, ready};
use testkit::redis_server::RedisServer;

use crate::bench::Bench;
use crate::usage::Watched;

pub(crate) struct Service {
    name: &'static str,
    process: Process,
    base: String,
}

/// What a service is told.
pub(crate) type Variables = Vec<(&'static str, String)>;

impl Service {
    /// `name` is what it calls itself on its first line; its program has `-service` behind that.
    pub(crate) fn start(name: &'static str, folder: &Path, variables: &[(&'static str, String)]) -> Self {
        // What it logs by default, into a file.
        let variables: Variables =
            std::iter::once(("LOG_LEVEL", "info".to_owned())).chain(variables.iter().cloned()).collect();
        let process = Process::start(&binary(&format!("{name}-service")), name, folder, &variables);
        let base = process.service(name);
        Self { name, process, base }
    }

    pub(crate) fn ready(self, bench: &Bench) -> Self {
        bench.runtime.block_on(ready(&self.base));
        self
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        self.base.trim_start_matches("http://").parse().context("it told its address")
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn watched(&self) -> Watched<'static> {
        let name = match self.name {
            "command" => "command-service",
            "listener" => "listener-service",
            _ => "query-service",
        };
        (name, self.process.pid())
    }

    /// In order, so that all is in the database file.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let log = self.process.log();
        anyhow::ensure!(self.process.interrupt(), "{}-service did not end well: {log}", self.name);
        Ok(())
    }
}

/// On a log.
pub(crate) fn command(folder: &Path, brokers: &str) -> Service {
    Service::start("command", folder, &[("KAFKA_BROKERS", brokers.to_owned())])
}

/// Of a log, into a database and, if there is one, a Redis.
pub(crate) fn listener(
    folder: &Path,
    brokers: &str,
    topics: &Topics,
    database: &Path,
    redis: Option<&RedisServer>,
) -> Service {
    let mut variables = vec![
        ("KAFKA_BROKERS", brokers.to_owned()),
        ("SQLITE_PATH", database.display().to_string()),
        ("KAFKA_TOPIC_COMMANDS", topics.commands.clone()),
        ("KAFKA_TOPIC_ITEMS", topics.items.clone()),
        ("KAFKA_TOPIC_STOCK", topics.stock.clone()),
        ("KAFKA_TOPIC_DLQ", topics.dlq.clone()),
    ];
    variables.extend(redis.into_iter().flat_map(from_redis));
    Service::start("listener", folder, &variables)
}

/// From a database file, a Redis, or both.
pub(crate) fn query(folder: &Path, database: Option<&Path>, redis: Option<&RedisServer>) -> Service {
    let mut variables: Variables = redis.into_iter().flat_map(from_redis).collect();
    variables.extend(database.map(|path| ("SQLITE_PATH", path.display().to_string())));
    Service::start("query", folder, &variables)
}

fn from_redis(redis: &RedisServer) -> Variables {
    vec![("REDIS_HOST", "127.0.0.1".to_owned()), ("REDIS_PORT", redis.port().to_string())]
}
