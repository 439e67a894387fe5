//! Redis, without persistence, as the system runs it.

use testkit::redis_server::RedisServer;

use super::Missing;

pub(crate) fn start() -> anyhow::Result<RedisServer> {
    let why = "it needs redis-server (Debian: redis-server)";
    RedisServer::start("a row", &[]).ok_or_else(|| Missing(why.to_owned()).into())
}
