//! A page of 20 of 100,000 items while 500 writes a second go through the trio; from the file, without Redis.
//!
//! The floor reads the same pages with the same SQL from the same database, under the same writes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::Bench;
use crate::floors::list;
use crate::load::closed::Load;
use crate::load::open::Stream;
use crate::load::{get, post, quantile_ms};
use crate::parts::broker;
use crate::parts::database::Stocked;
use crate::parts::services::{self, Service};
use crate::row::Figures;
use crate::stock::item;
use crate::usage::Meter;

const ITEMS: usize = 100_000;
const PAGE_SIZE: usize = 20;
const CONNECTIONS: usize = 16;
const WRITES_PER_SECOND: u32 = 500;
/// For the latency: far below what it can do.
const PAGES_PER_SECOND: u32 = 50;

pub(crate) fn list(bench: &Bench) -> anyhow::Result<Figures> {
    let folder = Bench::folder()?;
    let (_broker, brokers) = broker::start(folder.path())?;
    let items = bench.scaled(ITEMS);
    let stocked = Stocked::start(bench, folder.path(), &brokers, &kafka::Topics::default(), items, None)?;
    let command = services::command(folder.path(), &brokers).ready(bench);
    let query = services::query(folder.path(), Some(&stocked.database), None).ready(bench);
    let pages = items / PAGE_SIZE;
    let page = |n: usize| get(&format!("/api/v1/inventory/items?sort=sku&pageSize={PAGE_SIZE}&page={}", n + 1));
    let requests: Arc<[Vec<u8>]> = (0..pages).map(page).collect();
    let reserve = |n| post(&format!("/api/v1/inventory/items/{}/reserve", item(n)), r#"{"quantity":1}"#);
    let writes = Stream {
        addresses: vec![command.address()?],
        requests: (0..items).map(reserve).collect(),
        status: 202,
        connections: 8,
        per_second: WRITES_PER_SECOND,
    };
    let mut figures = Figures::default();
    for _ in 0..bench.repeats() {
        beside(bench, &writes, || rate(bench, &query, &stocked, &requests, pages, &mut figures))?;
        beside(bench, &writes, || latency(bench, &query, &requests, &mut figures))?;
    }
    bench.note(&Meter::start(&[command.watched(), stocked.listener.watched(), query.watched()])?.stop(1)?);
    Ok(figures)
}

/// Does something while the writes go on; they last a little longer than it.
fn beside(bench: &Bench, writes: &Stream, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let time = bench.load_time() * 2 + Duration::from_secs(1);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || writes.run(time));
        work()?;
        writing.join().expect("a load does not panic").map(drop)
    })
}

fn rate(
    bench: &Bench,
    query: &Service,
    stocked: &Stocked,
    requests: &Arc<[Vec<u8>]>,
    pages: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (address, requests) = (query.address()?, Arc::clone(requests));
    let load = Load { address, requests, status: 200, connections: CONNECTIONS };
    let meter = Meter::start(&[query.watched()])?;
    let answered = load.run(bench.load_time())?;
    let costs = meter.stop(answered.answers)?;
    let path: &Path = &stocked.database;
    let floor = list::pages(path, pages, PAGE_SIZE, bench.load_time())?;
    figures.pair("read-list", answered.per_second, floor);
    figures.costs("read-list", costs);
    Ok(())
}

fn latency(bench: &Bench, query: &Service, requests: &Arc<[Vec<u8>]>, figures: &mut Figures) -> anyhow::Result<()> {
    let (addresses, requests) = (vec![query.address()?], Arc::clone(requests));
    let stream = Stream { addresses, requests, status: 200, connections: 16, per_second: PAGES_PER_SECOND };
    let times = stream.run(bench.load_time())?;
    figures.alone("read-list-p99", quantile_ms(&times, 0.99));
    let (p50, rate) = (quantile_ms(&times, 0.5), PAGES_PER_SECOND);
    figures.note("read-list-p99", format!("{rate} pages/s, open loop: p50 {p50:.1} ms (n = {})", times.len()));
    Ok(())
}
