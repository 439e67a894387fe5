//! A backlog in Kafka, applied: by the listener with both of its followers, and by a raw loop.
//!
//! The clock runs from the first look that finds some of the backlog applied to the last position, and counts what was
//! applied between the two: starting up is another row. The log is made once; each repeat begins with a copy of the
//! database as it was before the backlog.

mod backlog;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::Value;

use self::backlog::Backlog;
use crate::bench::Bench;
use crate::floors::postgres::Peer;
use crate::floors::sqlite;
use crate::load::per_second;
use crate::parts::database::Progress;
use crate::parts::services::{Service, listener};
use crate::row::Figures;
use crate::stock::ITEMS;
use crate::usage::{Cost, Meter};

const RESERVATIONS: usize = 500_000;
/// Each of PostgreSQL's 64 processes has to learn the tables first, which takes all of them a second or two.
const LONGER: u32 = 5;

/// The rows that the same run of ours is part of, each with another floor.
struct Contest {
    row: &'static str,
    by_statement: &'static str,
    batched: Option<&'static str>,
    items: usize,
}

/// Random items out of 10,000.
pub(crate) fn uniform(bench: &Bench) -> anyhow::Result<Figures> {
    let batched = Some("apply-postgres-batched");
    Contest { row: "apply", by_statement: "apply-postgres", batched, items: ITEMS }.run(bench)
}

/// One SKU.
pub(crate) fn hot(bench: &Bench) -> anyhow::Result<Figures> {
    Contest { row: "apply-hot", by_statement: "apply-postgres-hot", batched: None, items: 1 }.run(bench)
}

impl Contest {
    fn run(&self, bench: &Bench) -> anyhow::Result<Figures> {
        let backlog = Backlog::make(bench, self.items, bench.scaled(RESERVATIONS))?;
        let mut figures = Figures::default();
        let mut peer = None;
        for _ in 0..bench.repeats() {
            let folder = Bench::folder()?;
            let path = folder.path().join("ours.db");
            std::fs::copy(&backlog.template, &path)?;
            let ours = ours(bench, &backlog, folder.path(), &path)?;
            bench.note(&ours.costs);
            if bench.wants(self.row) {
                let raw = folder.path().join("raw.db");
                std::fs::copy(&backlog.template, &raw)?;
                let (floor, costs) = raw_loop(&raw, &path, &backlog.order)?;
                figures.pair(self.row, ours.per_second, floor);
                figures.costs(self.row, [ours.costs.clone(), costs].concat());
                figures.note(self.row, ours.note.clone());
            }
            self.peers(bench, &path, ours.per_second, &mut peer, &mut figures)?;
        }
        Ok(figures)
    }

    /// PostgreSQL is started by the first repeat, which knows how long our messages are.
    fn peers(
        &self,
        bench: &Bench,
        path: &Path,
        ours: f64,
        peer: &mut Option<Peer>,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let rows = [Some(self.by_statement), self.batched];
        let rows: Vec<&str> = rows.into_iter().flatten().filter(|row| bench.wants(row)).collect();
        if rows.is_empty() || rows.iter().all(|row| figures.missing.contains_key(row)) {
            return Ok(());
        }
        if peer.is_none() {
            match Peer::start(self.items, sqlite::lengths_of_two(path)?, bench.load_time() * LONGER) {
                Ok(started) => *peer = Some(started),
                Err(error) => {
                    // Ours and the raw loop are worth measuring all the same.
                    figures.missing.extend(rows.into_iter().map(|row| (row, format!("{error:#}"))));
                    return Ok(());
                }
            }
        }
        let Some(peer) = peer else { return Ok(()) };
        for row in rows {
            let theirs = if row == self.by_statement { peer.by_statement()? } else { peer.batched()? };
            figures.pair(row, ours, theirs);
        }
        peer.check()
    }
}

/// The floor, held to the rows that ours has made.
fn raw_loop(path: &Path, ours: &Path, order: &[usize]) -> anyhow::Result<(f64, Vec<Cost>)> {
    let meter = Meter::start(&[("raw loop", std::process::id())])?;
    let floor = sqlite::reserve(path, ours, order)?;
    let costs = meter.stop(order.len() as u64)?;
    let (rows, floor_rows) = (sqlite::rows(ours)?, sqlite::rows(path)?);
    ensure!(rows == floor_rows, "the floor did something else: {rows:?} and {floor_rows:?}");
    Ok((floor, costs))
}

struct Ours {
    per_second: f64,
    costs: Vec<Cost>,
    note: String,
}

fn ours(bench: &Bench, backlog: &Backlog, folder: &Path, database: &Path) -> anyhow::Result<Ours> {
    backlog.redis.command::<()>(&["FLUSHALL"]);
    let service = listener(folder, &backlog.kafka.address(), &backlog.topics, database, Some(&backlog.redis));
    let processes = [service.watched(), ("Kafka", backlog.kafka_pid), ("Redis", backlog.redis.pid())];
    let progress = Progress::of(database)?;
    let begun = |progress: &Progress| Ok(Some(progress.position()?).filter(|&position| position > backlog.begin));
    let first = progress.wait(begun)?;
    let (started, meter) = (Instant::now(), Meter::start(&processes)?);
    progress.reaches(backlog.end)?;
    let took = started.elapsed();
    let applied = u64::try_from(backlog.end - first)?;
    let costs = meter.stop(applied)?;
    let note = followers(bench, &service, &progress)?;
    service.stop()?;
    Ok(Ours { per_second: per_second(applied, took), costs, note })
}

/// How far behind the followers are now, and how long it takes them.
fn followers(bench: &Bench, service: &Service, progress: &Progress) -> anyhow::Result<String> {
    let started = Instant::now();
    let (published, projected) = lags(bench, service)?;
    progress.is_published()?;
    let all_published = started.elapsed();
    while lags(bench, service)?.1 > 0 && started.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let all_projected = started.elapsed();
    Ok(format!(
        "facts not yet published {published}, all were after {:.1} s; not yet in Redis {projected}, all were after {:.1} s",
        all_published.as_secs_f64(),
        all_projected.as_secs_f64()
    ))
}

/// Of the publisher and of the projector, in facts.
fn lags(bench: &Bench, service: &Service) -> anyhow::Result<(u64, u64)> {
    let url = format!("{}/monitoring/stats", service.base());
    let stats: Value = bench.runtime.block_on(async { reqwest::get(url).await?.json().await })?;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let sequence = number(&stats["sequence"]);
    let behind = |value: &Value| sequence.saturating_sub(number(value));
    Ok((behind(&stats["published"]), behind(&stats["readModel"]["sequence"])))
}
