//! What a read costs when several query-services share it: processor time at a fixed rate, of four and of one.
//!
//! Open loop, so that both have the same to do. They read from Redis alone, as readers on other hosts do.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::Bench;
use crate::load::get;
use crate::load::open::Stream;
use crate::parts::database::Stocked;
use crate::parts::services::{self, Service};
use crate::parts::{self, broker};
use crate::row::Figures;
use crate::stock::{ITEMS, item};
use crate::usage::{Cost, Meter, Watched};

const PER_SECOND: u32 = 4000;
const CONNECTIONS: u32 = 32;
const SEVERAL: usize = 4;
const NAMES: [&str; SEVERAL] = ["query-service", "query-service 2", "query-service 3", "query-service 4"];

pub(crate) fn readers(bench: &Bench) -> anyhow::Result<Figures> {
    let redis = parts::redis::start()?;
    let folder = Bench::folder()?;
    let (_broker, brokers) = broker::start(folder.path())?;
    let topics = kafka::Topics::default();
    let _stocked = Stocked::start(bench, folder.path(), &brokers, &topics, ITEMS, Some(&redis))?;
    let services: Vec<Service> =
        (0..SEVERAL).map(|_| services::query(folder.path(), None, Some(&redis)).ready(bench)).collect();
    let requests: Arc<[Vec<u8>]> = (0..ITEMS).map(|n| get(&format!("/api/v1/inventory/items/{}", item(n)))).collect();
    let mut figures = Figures::default();
    for repeat in 0..=bench.repeats() {
        let one = measured(bench, &services[..1], &requests)?;
        let several = measured(bench, &services, &requests)?;
        // The first is to warm up.
        if repeat > 0 {
            figures.pair("readers", total(&several), total(&one));
            figures.costs("readers", several);
        }
    }
    Ok(figures)
}

fn measured(bench: &Bench, services: &[Service], requests: &Arc<[Vec<u8>]>) -> anyhow::Result<Vec<Cost>> {
    let addresses = services.iter().map(Service::address).collect::<anyhow::Result<_>>()?;
    let requests = Arc::clone(requests);
    let stream = Stream { addresses, requests, status: 200, connections: CONNECTIONS, per_second: PER_SECOND };
    let named = |(service, name): (&Service, &'static str)| -> Watched<'static> { (name, service.watched().1) };
    let processes: Vec<Watched<'_>> = services.iter().zip(NAMES).map(named).collect();
    let meter = Meter::start(&processes)?;
    let answers = stream.run(bench.load_time().max(Duration::from_secs(2)))?;
    let costs = meter.stop(answers.len())?;
    bench.note(&costs);
    Ok(costs)
}

/// Of all services together, for 1,000 reads.
fn total(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.cpu_per_thousand).sum()
}
