//! Redis, without persistence, as the system runs it.

use anyhow::Context;
use testkit::redis_server::RedisServer;

use super::need;

pub(crate) fn start() -> anyhow::Result<RedisServer> {
    need(&["redis-server"], "it needs redis-server (Debian: redis-server)")?;
    RedisServer::start("a row", &[]).context("redis-server does not say its version")
}
