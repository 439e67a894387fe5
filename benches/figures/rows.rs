//! The rows: what is measured, and beside what.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::Method;
use kafka::{EmbeddedBroker, Topics};
use serde_json::{Value, json};
use shared::id::ItemId;
use shared::text::Sku;

use crate::floors;
use crate::http::{Connection, Shot, rate};
use crate::server::Server;

const CONNECTIONS: usize = 64;
pub(crate) const ITEMS: u64 = 1000;
pub(crate) const RUN: Duration = Duration::from_secs(3);
pub(crate) const INVENTORY: &str = env!("CARGO_BIN_EXE_inventory");

/// Command-service alone, on the in-process broker of this process: 202 after the broker's acknowledgement.
pub(crate) async fn accept(repeats: usize) -> anyhow::Result<()> {
    let broker = EmbeddedBroker::start(&Topics::default())?;
    let remote = broker.connection().as_remote();
    let topics = shared::settings::TopicSettings {
        kafka_topic_commands: Topics::default().commands,
        kafka_topic_items: Topics::default().items,
        kafka_topic_stock: Topics::default().stock,
        kafka_topic_dlq: Topics::default().dlq,
    };
    let config = command_service::Config {
        host: "127.0.0.1".to_owned(),
        port: 0,
        drain: RUN,
        kafka: remote,
        topics: Topics::from(&topics),
        query_base_url: command_service::QueryBaseUrl::parse("http://127.0.0.1:8081")?,
        ack_wait: Duration::from_secs(5),
        applied: None,
    };
    let app = command_service::App::build(config).await?;
    let address = app.address();
    let shutdown = shared::lifecycle::Shutdown::new();
    let running = tokio::spawn(app.run(shutdown.clone()));
    wait_until_ready(address).await?;
    let echo = Server::floor(floors::ECHO)?;
    let mut pairs = Vec::new();
    for _ in 0..repeats {
        let ours = rate(address, CONNECTIONS, RUN, reserve).await?;
        let floor = rate(echo.address("listening")?, CONNECTIONS, RUN, echo_shot).await?;
        pairs.push((ours, floor));
    }
    print(
        "accepted: POST reserve → 202, command-service and broker in one process, 64 connections",
        "axum JSON echo",
        &pairs,
    );
    shutdown.begin(RUN);
    running.await?
}

/// The whole trio as `cargo run --release` starts it: 202 after the writer's commit.
pub(crate) async fn accept_durable(repeats: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let trio = Server::start(INVENTORY, folder.path(), &[])?;
    fill(&trio).await?;
    let echo = Server::floor(floors::ECHO)?;
    let mut pairs = Vec::new();
    for _ in 0..repeats {
        let ours = rate(trio.address("command")?, 256, RUN, reserve).await?;
        let floor = rate(echo.address("listening")?, 256, RUN, echo_shot).await?;
        pairs.push((ours, floor));
    }
    print("accepted and durable: POST reserve → 202, the whole trio, 256 connections", "axum JSON echo", &pairs);
    Ok(())
}

/// GET of items that are in memory.
pub(crate) async fn read(repeats: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let trio = Server::start(INVENTORY, folder.path(), &[])?;
    fill(&trio).await?;
    let fixed = Server::floor(floors::STATIC)?;
    let get = |path: String| Shot { method: Method::GET, path, body: Bytes::new(), status: 200 };
    let item = move |n: u64| get(format!("/api/v1/inventory/items/{}", ItemId::of(&sku(n % ITEMS))));
    let mut pairs = Vec::new();
    for _ in 0..repeats {
        let ours = rate(trio.address("query")?, CONNECTIONS, RUN, item).await?;
        let floor = rate(fixed.address("listening")?, CONNECTIONS, RUN, move |_| get("/static".to_owned())).await?;
        pairs.push((ours, floor));
    }
    print("read: GET item from memory, 64 connections", "axum static answer", &pairs);
    Ok(())
}

/// From the 202's request being due to the first read that shows the write: 500 commands a second, open loop.
pub(crate) async fn fresh(repeats: usize) -> anyhow::Result<()> {
    const RATE: u32 = 500;
    let folder = tempfile::tempdir()?;
    let trio = Server::start(INVENTORY, folder.path(), &[])?;
    fill(&trio).await?;
    let (command, query) = (trio.address("command")?, trio.address("query")?);
    for with_token in [false, true] {
        let mut latencies = Histogram::<u64>::new(3)?;
        let mut accepts = Histogram::<u64>::new(3)?;
        let mut delays = Histogram::<u64>::new(3)?;
        for repeat in 0..repeats {
            let start = Instant::now();
            let mut lanes = tokio::task::JoinSet::new();
            for lane in 0..u64::from(RATE / 10) {
                let first = u64::try_from(repeat)? * 1_000_000 + lane;
                lanes.spawn(lane_of_writes(command, query, start, lane, first % ITEMS, with_token));
            }
            while let Some(lane) = lanes.join_next().await {
                for (accepted, readable) in lane.context("a lane panicked")?? {
                    accepts.record(accepted)?;
                    latencies.record(readable)?;
                    delays.record(readable - accepted)?;
                }
            }
        }
        let how = if with_token { "read with the token" } else { "polled without a token" };
        let quantiles = |times: &Histogram<u64>| {
            let at = |quantile| millis(times.value_at_quantile(quantile));
            format!("p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99))
        };
        println!(
            "fresh, {RATE} commands/s, {how}: 202 → readable {}; due → 202 {}; due → readable {} (n = {})",
            quantiles(&delays),
            quantiles(&accepts),
            quantiles(&latencies),
            latencies.len(),
        );
    }
    Ok(())
}

/// Ten commands a second on one item, each due at its time whether the one before is done or not late.
async fn lane_of_writes(
    command: SocketAddr,
    query: SocketAddr,
    start: Instant,
    lane: u64,
    item: u64,
    with_token: bool,
) -> anyhow::Result<Vec<(u64, u64)>> {
    let (mut write, mut read) = (Connection::open(command).await?, Connection::open(query).await?);
    let id = ItemId::of(&sku(item));
    let stock = format!("/api/v1/inventory/items/{id}/stock");
    let get = |path: String| Shot { method: Method::GET, path, body: Bytes::new(), status: 200 };
    let mut version = version_of(&read.send(&get(stock.clone())).await?.0)?;
    let mut latencies = Vec::new();
    for turn in 0..50_u64 {
        let due = start + Duration::from_millis(turn * 100 + lane * 2);
        tokio::time::sleep_until(due.into()).await;
        let (_, token) = write.send(&adjustment(item)).await?;
        let accepted = due.elapsed();
        let path = match token.filter(|_| with_token) {
            Some(token) => format!("{stock}?token={token}"),
            None => stock.clone(),
        };
        loop {
            let seen = version_of(&read.send(&get(path.clone())).await?.0)?;
            if seen > version {
                version = seen;
                break;
            }
        }
        latencies.push((micros(accepted), micros(due.elapsed())));
    }
    Ok(latencies)
}

fn version_of(body: &Bytes) -> anyhow::Result<u64> {
    serde_json::from_slice::<Value>(body)?["version"].as_u64().context("a level has a version")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

pub(crate) fn sku(n: u64) -> Sku {
    Sku::parse(&format!("BENCH-{n}")).expect("a SKU")
}

fn reserve(n: u64) -> Shot {
    let path = format!("/api/v1/inventory/items/{}/reserve", ItemId::of(&sku(n % ITEMS)));
    Shot { method: Method::POST, path, body: Bytes::from_static(b"{\"quantity\":1}"), status: 202 }
}

fn adjustment(n: u64) -> Shot {
    let path = format!("/api/v1/inventory/items/{}/adjust", ItemId::of(&sku(n % ITEMS)));
    Shot { method: Method::POST, path, body: Bytes::from_static(b"{\"quantity\":1}"), status: 202 }
}

fn echo_shot(_: u64) -> Shot {
    Shot { method: Method::POST, path: "/echo".to_owned(), body: Bytes::from_static(b"{\"quantity\":1}"), status: 200 }
}

/// A thousand items with plenty of stock.
pub(crate) async fn fill(trio: &Server) -> anyhow::Result<()> {
    for name in ["command", "query", "listener"] {
        trio.ready(name).await?;
    }
    let address = trio.address("command")?;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..50 {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for n in (lane..ITEMS).step_by(50) {
                let body = json!({"sku": sku(n).as_str(), "name": "Thing", "quantity": 900_000_000}).to_string();
                let path = "/api/v1/inventory/items".to_owned();
                connection.send(&Shot { method: Method::POST, path, body: body.into(), status: 202 }).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn wait_until_ready(address: SocketAddr) -> anyhow::Result<()> {
    let url = format!("http://{address}/health/ready");
    while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Medians, the spread of ours, and the median of the ratios.
pub(crate) fn print(row: &str, floor: &str, pairs: &[(f64, f64)]) {
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let ours = sorted(pairs.iter().map(|pair| pair.0).collect());
    let floors = sorted(pairs.iter().map(|pair| pair.1).collect());
    let ratios = sorted(pairs.iter().map(|pair| pair.0 / pair.1).collect());
    let middle = pairs.len() / 2;
    println!(
        "{row}: {:.0}/s ({:.0} to {:.0}); {floor}: {:.0}/s; ratio {:.2}",
        ours[middle],
        ours[0],
        ours[ours.len() - 1],
        floors[middle],
        ratios[middle]
    );
}
