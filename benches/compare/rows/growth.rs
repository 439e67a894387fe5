//! The same with a database that has grown: 1,000,000 items, 10,000,000 entries of the journal.
//!
//! Without Redis, which would have to be filled with all items first. Ours and the raw loop take turns on the same file, so
//! both find it as large and as warm; each adds the same to it. Reads ask for random items, and nothing is kept in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};

use super::accept::measured;
use crate::bench::Bench;
use crate::floors::{http, served, sqlite};
use crate::load::closed::Load;
use crate::load::connection::Connection;
use crate::load::{get, per_second};
use crate::parts::database::Progress;
use crate::parts::log::Log;
use crate::parts::services::{Service, listener};
use crate::parts::{self, grown, log};
use crate::row::Figures;
use crate::stock::{item, reservation};
use crate::usage::Meter;

const ITEMS: usize = 1_000_000;
const RESERVATIONS: usize = 100_000;
const CONNECTIONS: usize = 64;

pub(crate) fn growth(bench: &Bench) -> anyhow::Result<Figures> {
    let kafka = parts::kafka::start()?;
    let world = World {
        brokers: kafka.address(),
        kafka_pid: parts::kafka::pid(&kafka)?,
        log: Log::open(bench, &kafka.address(), &log::topics("grown"))?,
        items: bench.scaled(ITEMS),
        database: grown::database(bench.scaled(ITEMS))?,
    };
    let mut figures = Figures::default();
    for _ in 0..bench.repeats() {
        if bench.wants("growth") {
            world.apply(bench, &mut figures)?;
        }
        if bench.wants("start") {
            world.start(bench, &mut figures)?;
        }
    }
    if bench.wants("growth") {
        world.read(bench, &mut figures)?;
    }
    Ok(figures)
}

struct World {
    brokers: String,
    kafka_pid: u32,
    log: Log,
    items: usize,
    database: std::path::PathBuf,
}

impl World {
    fn listener(&self, folder: &Path) -> Service {
        listener(folder, &self.brokers, self.log.topics(), &self.database, None)
    }

    fn apply(&self, bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
        let order: Vec<usize> = (0..bench.scaled(RESERVATIONS)).map(|_| fastrand::usize(..self.items)).collect();
        let begin = self.log.sent();
        self.log.send(bench, order.iter().map(|&n| reservation(n)))?;
        let end = self.log.sent();
        let progress = Progress::of(&self.database)?;
        let before = progress.sequence()?;
        let folder = Bench::folder()?;
        let service = self.listener(folder.path());
        let moved = |progress: &Progress| Ok(Some(progress.position()?).filter(|&position| position > begin));
        let first = progress.wait(moved)?;
        let (started, meter) = (Instant::now(), Meter::start(&[service.watched(), ("Kafka", self.kafka_pid)])?);
        progress.reaches(end)?;
        let took = started.elapsed();
        let costs = meter.stop(u64::try_from(end - first)?)?;
        progress.is_published()?;
        service.stop()?;
        let added = progress.sequence()? - before;
        bench.note(&costs);
        let floor = self.raw(&order)?;
        ensure!(progress.sequence()? - before == 2 * added, "the floor added something else");
        figures.pair("growth", per_second(u64::try_from(end - first)?, took), floor);
        figures.costs("growth", costs);
        Ok(())
    }

    /// The raw loop moves the position, which must be as it was for the next listener.
    fn raw(&self, order: &[usize]) -> anyhow::Result<f64> {
        let connection = rusqlite::Connection::open(&self.database)?;
        let position: i64 =
            connection.query_row("SELECT next_offset FROM logs WHERE superseded_at IS NULL", [], |row| row.get(0))?;
        let floor = sqlite::reserve(&self.database, &self.database, order)?;
        let back = "UPDATE logs SET next_offset = ?1 WHERE superseded_at IS NULL";
        connection.execute(back, [position])?;
        connection.execute("UPDATE progress SET published = (SELECT max(sequence) FROM journal)", [])?;
        Ok(floor)
    }

    /// From its start to the first position moved, with one message waiting.
    fn start(&self, bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
        self.log.send(bench, std::iter::once(reservation(0)))?;
        let end = self.log.sent();
        let progress = Progress::of(&self.database)?;
        let folder = Bench::folder()?;
        let started = Instant::now();
        let service = self.listener(folder.path());
        progress.reaches(end)?;
        figures.alone("start", started.elapsed().as_secs_f64());
        progress.is_published()?;
        service.stop()
    }

    /// The first repeat is to warm up.
    fn read(&self, bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
        let folder = Bench::folder()?;
        let file = ("SQLITE_PATH", self.database.display().to_string());
        let variables = vec![file, ("CACHE_CAPACITY", "1".to_owned())];
        let query = Service::start("query", folder.path(), &variables).ready(bench);
        let drawn = (0..self.items / 10).map(|_| fastrand::usize(..self.items));
        let requests: Arc<[Vec<u8>]> = drawn.map(|n| get(&format!("/api/v1/inventory/items/{}", item(n)))).collect();
        let load = |address| Load { address, requests: Arc::clone(&requests), status: 200, connections: CONNECTIONS };
        let ours = load(query.address()?);
        let body = folder.path().join("item.json");
        std::fs::write(&body, answer(bench, &ours)?)?;
        let arguments = [served::SQL, text(&self.database)?, text(&body)?];
        let (floor, address) = http::start(&arguments, folder.path())?;
        let same_sql = load(address);
        for repeat in 0..=bench.repeats() {
            let (a_second, costs) = measured(bench, &ours, &[query.watched()])?;
            let (floor_a_second, floor_costs) = measured(bench, &same_sql, &[("the same SQL", floor.pid())])?;
            if repeat > 0 {
                figures.pair("growth-read", a_second, floor_a_second);
                figures.costs("growth-read", [costs, floor_costs].concat());
            }
        }
        Ok(())
    }
}

/// The body of one item's answer.
fn answer(bench: &Bench, load: &Load) -> anyhow::Result<Vec<u8>> {
    bench.runtime.block_on(async {
        let mut connection = Connection::open(load.address).await?;
        Ok(connection.exchange(&load.requests[0], 200).await?.body.to_vec())
    })
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path is text")
}
