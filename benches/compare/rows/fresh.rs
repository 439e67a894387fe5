//! How soon a write can be read: from its 202 to the first read that shows it, with real Kafka and Redis.
//!
//! Open loop: each lane changes a level of its own ten times a second, each time when it is due. Without a token it asks
//! again and again, with a pause of a millisecond, as a client would; with one, the service waits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::load::alarm::Alarm;
use crate::load::closed::Load;
use crate::load::connection::Connection;
use crate::load::{get, latencies, micros, post, quantile_ms};
use crate::parts::database::{Progress, Stocked};
use crate::parts::{self, services};
use crate::row::Figures;
use crate::stock::{ITEMS, item};
use crate::usage::{Meter, Watched};

/// Of each lane.
const PER_SECOND: u32 = 10;
const PAUSE: Duration = Duration::from_millis(1);
/// Connections; so few that the listener and its followers keep up.
const TO_WARM_UP: usize = 4;
/// After this a write that cannot be read fails the run.
const PATIENCE: Duration = Duration::from_secs(10);

/// A row's name, its commands a second, and whether it reads with a token.
type Variant = (&'static str, u32, bool);
const VARIANTS: [Variant; 4] =
    [("fresh", 500, false), ("fresh-token", 500, true), ("fresh-2000", 2000, false), ("fresh-2000-token", 2000, true)];

#[derive(Clone, Copy)]
struct Trio {
    command: SocketAddr,
    query: SocketAddr,
}

struct Times {
    accepted: Histogram<u64>,
    readable: Histogram<u64>,
}

pub(crate) fn fresh(bench: &Bench) -> anyhow::Result<Figures> {
    let (kafka, redis) = (parts::kafka::start()?, parts::redis::start()?);
    let folder = Bench::folder()?;
    let (brokers, topics) = (kafka.address(), kafka::Topics::default());
    let stocked = Stocked::start(bench, folder.path(), &brokers, &topics, ITEMS, Some(&redis))?;
    let command = services::command(folder.path(), &brokers).ready(bench);
    let query = services::query(folder.path(), Some(&stocked.database), Some(&redis)).ready(bench);
    let trio = Trio { command: command.address()?, query: query.address()? };
    let mut processes = vec![command.watched(), stocked.listener.watched(), query.watched()];
    processes.extend([("Kafka", parts::kafka::pid(&kafka)?), ("Redis", redis.pid())]);
    warm_up(bench, trio.command, &Progress::of(&stocked.database)?)?;
    let mut figures = Figures::default();
    for variant in VARIANTS {
        // What reads is to be warm, too.
        run(bench, trio, variant)?;
        for _ in 0..bench.repeats() {
            measure(bench, trio, variant, &processes, &mut figures)?;
        }
    }
    Ok(figures)
}

/// A Kafka that has just started takes up to 2.5 s of processor time for 1,000 commands on a slow machine: at the rates of these
/// rows it would leave nothing to the others.
fn warm_up(bench: &Bench, address: SocketAddr, progress: &Progress) -> anyhow::Result<()> {
    let requests = (0..ITEMS).map(adjust).collect();
    let load = Load { address, requests, status: 202, connections: TO_WARM_UP };
    load.run_until_steady(bench.load_time() / 2)?;
    progress.is_published()
}

fn measure(
    bench: &Bench,
    trio: Trio,
    variant: Variant,
    processes: &[Watched<'_>],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let meter = Meter::start(processes)?;
    let Times { accepted, readable } = run(bench, trio, variant)?;
    let costs = meter.stop(readable.len())?;
    bench.note(&costs);
    let quantiles = |times| format!("p50 {:.1} ms, p99 {:.1} ms", quantile_ms(times, 0.5), quantile_ms(times, 0.99));
    figures.alone(variant.0, quantile_ms(&readable, 0.99));
    figures.costs(variant.0, costs);
    figures.note(
        variant.0,
        format!("202 → readable {}; due → 202 {} (n = {})", quantiles(&readable), quantiles(&accepted), readable.len()),
    );
    Ok(())
}

fn run(bench: &Bench, trio: Trio, (_, rate, with_token): Variant) -> anyhow::Result<Times> {
    let turns = u32::try_from(bench.load_time().as_secs())? * PER_SECOND;
    bench.runtime.block_on(async {
        let mut open = Vec::new();
        for n in 0..usize::try_from(rate / PER_SECOND)? {
            open.push(Lane::open(trio, n, with_token).await?);
        }
        // Before anything is due, all are open.
        let start = Instant::now() + Duration::from_millis(100);
        let mut lanes = JoinSet::new();
        for (n, lane) in (0..).zip(open) {
            lanes.spawn(lane.writes(start + Duration::from_secs(1) / rate * n, turns));
        }
        let mut all = Times { accepted: latencies(), readable: latencies() };
        while let Some(lane) = lanes.join_next().await {
            let lane = lane.context("a lane panicked")??;
            all.accepted.add(lane.accepted)?;
            all.readable.add(lane.readable)?;
        }
        Ok(all)
    })
}

/// One client and the level that it changes.
struct Lane {
    write: Connection,
    read: Connection,
    level: String,
    adjust: Vec<u8>,
    version: u64,
    with_token: bool,
}

impl Lane {
    async fn open(trio: Trio, n: usize, with_token: bool) -> anyhow::Result<Self> {
        let (write, mut read) = (Connection::open(trio.command).await?, Connection::open(trio.query).await?);
        let level = format!("/api/v1/inventory/items/{}/stock", item(n));
        let version = version_of(read.exchange(&get(&level), 200).await?.body)?;
        Ok(Self { write, read, level, adjust: adjust(n), version, with_token })
    }

    async fn writes(mut self, first: Instant, turns: u32) -> anyhow::Result<Times> {
        let (alarm, mut times) = (Alarm::new()?, Times { accepted: latencies(), readable: latencies() });
        for turn in 0..turns {
            let due = first + Duration::from_secs(1) / PER_SECOND * turn;
            alarm.until(due).await?;
            let answer = self.write.exchange(&self.adjust, 202).await?;
            let accepted = Instant::now();
            times.accepted.record(micros(due.elapsed()))?;
            let token = answer.header("x-consistency-token").context("a 202 has a token")?;
            let level = &self.level;
            let look = if self.with_token { get(&format!("{level}?token={token}")) } else { get(level) };
            self.version = seen_after(self.version, &mut self.read, &look).await?;
            times.readable.record(micros(accepted.elapsed()))?;
        }
        Ok(times)
    }
}

fn adjust(n: usize) -> Vec<u8> {
    post(&format!("/api/v1/inventory/items/{}/adjust", item(n)), r#"{"quantity":1}"#)
}

/// The version that is seen once it is not `before` any more.
async fn seen_after(before: u64, read: &mut Connection, look: &[u8]) -> anyhow::Result<u64> {
    let polling = async {
        loop {
            let seen = version_of(read.exchange(look, 200).await?.body)?;
            if seen > before {
                return Ok(seen);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, polling).await.context("a write cannot be read")?
}

fn version_of(body: &[u8]) -> anyhow::Result<u64> {
    serde_json::from_slice::<Value>(body)?["version"].as_u64().context("a level has a version")
}
