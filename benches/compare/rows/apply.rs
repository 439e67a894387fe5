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
use crate::floors::sqlite;
use crate::load::per_second;
use crate::parts::database::Progress;
use crate::parts::services::{Service, listener};
use crate::row::Figures;
use crate::stock::ITEMS;
use crate::usage::{Cost, Meter};

const RESERVATIONS: usize = 500_000;

/// Random items out of 10,000.
pub(crate) fn uniform(bench: &Bench) -> anyhow::Result<Figures> {
    contest(bench, "apply", ITEMS)
}

/// One SKU.
pub(crate) fn hot(bench: &Bench) -> anyhow::Result<Figures> {
    contest(bench, "apply-hot", 1)
}

fn contest(bench: &Bench, row: &'static str, items: usize) -> anyhow::Result<Figures> {
    let backlog = Backlog::make(bench, items, bench.scaled(RESERVATIONS))?;
    let mut figures = Figures::default();
    for _ in 0..bench.repeats() {
        let folder = Bench::folder()?;
        let (path, raw) = (folder.path().join("ours.db"), folder.path().join("raw.db"));
        std::fs::copy(&backlog.template, &path)?;
        std::fs::copy(&backlog.template, &raw)?;
        let ours = ours(bench, &backlog, folder.path(), &path)?;
        let floor = sqlite::reserve(&raw, &path, &backlog.order)?;
        let (rows, floor_rows) = (sqlite::rows(&path)?, sqlite::rows(&raw)?);
        ensure!(rows == floor_rows, "the floor did something else: {rows:?} and {floor_rows:?}");
        bench.note(&ours.costs);
        figures.pair(row, ours.per_second, floor);
        figures.costs(row, ours.costs);
        figures.note(row, ours.note);
    }
    Ok(figures)
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
