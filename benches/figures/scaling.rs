//! What reading costs with one, two and four query-services: processor time for each thousand answers, by process.
//!
//! Rates say little here, for all of them and the load share the machine's cores; the processor time of a thousand
//! answers says what another host would have to give.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use shared::id::ItemId;
use testkit::redis_server::RedisServer;
use tokio::task::JoinSet;

use crate::http::{Shot, per_second, rate};
use crate::rows::{INVENTORY, ITEMS, RUN, fill, sku};
use crate::server::Server;

const CONNECTIONS: usize = 32;
/// Of /proc/<pid>/stat: Linux counts in hundredths of a second whatever the machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where a query-service reads.
#[derive(Debug, Clone, Copy)]
enum From {
    RedisAlone,
    RedisBesideFile,
    MemoryAndFile,
}

/// One, two and four query-services of each kind, after another.
pub(crate) async fn scaling(repeats: usize) -> anyhow::Result<()> {
    let redis = RedisServer::start("scaling", &[]).context("it needs redis-server")?;
    let folder = tempfile::tempdir()?;
    let port = redis.port().to_string();
    let trio = Server::start(INVENTORY, folder.path(), &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port)])?;
    fill(&trio).await?;
    println!("reading: GET item, {CONNECTIONS} connections; processor milliseconds for 1,000 answers");
    println!("{:<24} {:>8} {:>12} {:>14} {:>8}", "reads from", "services", "answers/s", "query-services", "Redis");
    for from in [From::RedisAlone, From::RedisBesideFile, From::MemoryAndFile] {
        for services in [1, 2, 4] {
            let servers = (0..services)
                .map(|_| query_service(from, folder.path(), &port))
                .collect::<anyhow::Result<Vec<Server>>>()?;
            for server in &servers {
                server.ready("query").await?;
            }
            for _ in 0..repeats {
                let (answers, readers, redis) = measure(&servers, &redis).await?;
                println!("{:<24} {services:>8} {answers:>12.0} {readers:>14.1} {redis:>8.1}", format!("{from:?}"));
            }
        }
    }
    Ok(())
}

fn query_service(from: From, folder: &Path, port: &str) -> anyhow::Result<Server> {
    let binary = PathBuf::from(INVENTORY).with_file_name("query-service");
    ensure!(binary.exists(), "{} is missing: cargo build --release --workspace --bins", binary.display());
    let database = folder.join("data/inventory.db").display().to_string();
    let redis = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port)];
    let file = [("SQLITE_PATH", database.as_str())];
    let variables = match from {
        From::RedisAlone => redis.to_vec(),
        From::RedisBesideFile => [&redis[..], &file].concat(),
        From::MemoryAndFile => file.to_vec(),
    };
    Server::start_one(binary.to_str().context("a path is text")?, folder, &variables)
}

/// Answers a second, and processor milliseconds for a thousand of them: of the query-services, and of Redis.
async fn measure(servers: &[Server], redis: &RedisServer) -> anyhow::Result<(f64, f64, f64)> {
    let readers = || servers.iter().map(|server| processor_seconds(server.pid())).sum::<anyhow::Result<f64>>();
    let before = (readers()?, processor_seconds(redis.pid())?);
    let started = Instant::now();
    let mut loads = JoinSet::new();
    for server in servers {
        let address: SocketAddr = server.address("query")?;
        loads.spawn(rate(address, CONNECTIONS / servers.len(), RUN, get_item));
    }
    let mut a_second = 0.0;
    while let Some(load) = loads.join_next().await {
        a_second += load??;
    }
    let answers = a_second * started.elapsed().as_secs_f64();
    let per_thousand = |seconds: f64| seconds * 1e6 / answers;
    let after = (readers()?, processor_seconds(redis.pid())?);
    ensure!(per_second(1, started.elapsed()) < answers, "nothing was answered");
    Ok((a_second, per_thousand(after.0 - before.0), per_thousand(after.1 - before.1)))
}

fn get_item(n: u64) -> Shot {
    let path = format!("/api/v1/inventory/items/{}", ItemId::of(&sku(n % ITEMS)));
    Shot { method: Method::GET, path, body: Bytes::new(), status: 200 }
}

/// User and system time so far (proc(5): fields 14 and 15; the second, in brackets, may hold spaces).
fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a name in brackets")?;
    let ticks: Vec<u32> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_SECOND)
}
