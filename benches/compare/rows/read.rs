//! GET item, closed loop: query-service with 10,000 items that are warm, beside a static answer of the same bytes.

use std::sync::Arc;

use anyhow::ensure;
use testkit::redis_server::RedisServer;

use super::accept::measured;
use crate::bench::Bench;
use crate::floors::http;
use crate::load::closed::Load;
use crate::load::connection::Connection;
use crate::load::get;
use crate::parts::database::Stocked;
use crate::parts::services::{self, Service};
use crate::parts::{self, broker};
use crate::row::Figures;
use crate::stock::{ITEMS, item};
use crate::usage::Watched;

const CONNECTIONS: usize = 64;

/// With Redis and the file.
pub(crate) fn redis(bench: &Bench) -> anyhow::Result<Figures> {
    let redis = parts::redis::start()?;
    contest(bench, "read-redis", Some(&redis), "redis")
}

/// With the file alone, so from moka.
pub(crate) fn memory(bench: &Bench) -> anyhow::Result<Figures> {
    contest(bench, "read-memory", None, "memory")
}

fn contest(bench: &Bench, row: &'static str, redis: Option<&RedisServer>, source: &str) -> anyhow::Result<Figures> {
    let folder = Bench::folder()?;
    let (_broker, brokers) = broker::start(folder.path())?;
    let topics = kafka::Topics::default();
    // The listener stays: without its heartbeat in Redis, readers would not believe what is there.
    let stocked = Stocked::start(bench, folder.path(), &brokers, &topics, ITEMS, redis)?;
    let service = services::query(folder.path(), Some(&stocked.database), redis).ready(bench);
    let requests: Arc<[Vec<u8>]> = (0..ITEMS).map(|n| get(&format!("/api/v1/inventory/items/{}", item(n)))).collect();
    let load = |address| Load { address, requests: Arc::clone(&requests), status: 200, connections: CONNECTIONS };
    let ours = load(service.address()?);
    let (floor, addresses) = http::start_static(&warm(bench, &ours, source)?, folder.path(), 1)?;
    let fixed = load(addresses[0]);
    ours.run(bench.load_time() / 2)?;
    fixed.run(bench.load_time() / 2)?;
    let mut figures = Figures::default();
    let processes = processes(&service, redis);
    for _ in 0..bench.repeats() {
        let (a_second, costs) = measured(bench, &ours, &processes)?;
        let (floor_a_second, floor_costs) = measured(bench, &fixed, &[("static", floor.pid())])?;
        figures.pair(row, a_second, floor_a_second);
        figures.costs(row, [costs, floor_costs].concat());
    }
    Ok(figures)
}

fn processes<'a>(service: &Service, redis: Option<&RedisServer>) -> Vec<Watched<'a>> {
    let redis = redis.map(|redis| ("Redis", redis.pid()));
    std::iter::once(service.watched()).chain(redis).collect()
}

/// Asks for every item twice, and gives the last answer's body. The second time it must come from where it is to be.
fn warm(bench: &Bench, load: &Load, source: &str) -> anyhow::Result<Vec<u8>> {
    bench.runtime.block_on(async {
        let mut connection = Connection::open(load.address).await?;
        for request in &*load.requests {
            connection.exchange(request, 200).await?;
        }
        let mut body = Vec::new();
        for request in &*load.requests {
            let answer = connection.exchange(request, 200).await?;
            ensure!(answer.header("x-cache") == Some(source), "not from {source}: {}", answer.head);
            body = answer.body.to_vec();
        }
        Ok(body)
    })
}
