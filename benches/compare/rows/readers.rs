//! What a read costs when several query-services share it: processor time at a fixed rate, of four and of one.
//!
//! Open loop, so that both have the same to do. They read from Redis alone, as readers on other hosts do. Beside them the
//! same is measured of the bare HTTP library, which tells how much of the difference is the machine's own: what it costs to
//! wake four servers in turn, and how much of that is for their being processes.

use std::net::SocketAddr;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use testkit::process::Process;

use crate::bench::Bench;
use crate::floors::http;
use crate::load::connection::Connection;
use crate::load::get;
use crate::load::open::Stream;
use crate::parts::database::Stocked;
use crate::parts::services::{self, Service};
use crate::parts::{self, broker};
use crate::row::{Figures, Samples};
use crate::stock::{ITEMS, item};
use crate::usage::{Cost, Meter, Watched};

const PER_SECOND: u32 = 4000;
const CONNECTIONS: u32 = 32;
const SEVERAL: usize = 4;
const NAMES: [&str; SEVERAL] = ["query-service", "query-service 2", "query-service 3", "query-service 4"];

/// A process that can be asked for an item.
struct Reader {
    process: Watched<'static>,
    addresses: Vec<SocketAddr>,
}

pub(crate) fn readers(bench: &Bench) -> anyhow::Result<Figures> {
    let redis = parts::redis::start()?;
    let folder = Bench::folder()?;
    let (_broker, brokers) = broker::start(folder.path())?;
    let topics = kafka::Topics::default();
    let _stocked = Stocked::start(bench, folder.path(), &brokers, &topics, ITEMS, Some(&redis))?;
    let services: Vec<Service> =
        (0..SEVERAL).map(|_| services::query(folder.path(), None, Some(&redis)).ready(bench)).collect();
    let ours: Vec<Reader> = services
        .iter()
        .zip(NAMES)
        .map(|(service, name)| Ok(Reader { process: (name, service.watched().1), addresses: vec![service.address()?] }))
        .collect::<anyhow::Result<_>>()?;
    let requests: Arc<[Vec<u8>]> = (0..ITEMS).map(|n| get(&format!("/api/v1/inventory/items/{}", item(n)))).collect();
    let body = body(bench, ours[0].addresses[0], &requests[0])?;
    let bare = |servers| static_answer(&body, folder.path(), servers);
    let (_floors, apart): (Vec<Process>, Vec<Reader>) =
        (0..SEVERAL).map(|_| bare(1)).collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip();
    let (_together, together) = bare(SEVERAL)?;
    let mut figures = Figures::default();
    let (mut bare_apart, mut bare_together) = (Samples::default(), Samples::default());
    for repeat in 0..=bench.repeats() {
        let one = measured(bench, &ours[..1], &requests)?;
        let several = measured(bench, &ours, &requests)?;
        let bare_one = total(&measured(bench, &apart[..1], &requests)?);
        let processes = total(&measured(bench, &apart, &requests)?);
        let servers = total(&measured(bench, slice::from_ref(&together), &requests)?);
        // The first is to warm up.
        if repeat > 0 {
            figures.pair("readers", total(&several), total(&one));
            figures.costs("readers", several);
            bare_apart.pair(processes, bare_one);
            bare_together.pair(servers, bare_one);
        }
    }
    for (who, bare) in [("four processes", bare_apart), ("four servers in one process", bare_together)] {
        if let (Some(several), Some(one), Some(ratio)) = (bare.value(), bare.floor(), bare.ratio()) {
            let note =
                format!("the HTTP library's static answer: {several:.4} of {who}, {one:.4} of one, ratio {ratio:.2}");
            figures.note("readers", note);
        }
    }
    Ok(figures)
}

/// What is answered to `request`.
fn body(bench: &Bench, address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let answer = async { Ok(Connection::open(address).await?.exchange(request, 200).await?.body.to_vec()) };
    bench.runtime.block_on(answer)
}

/// A process of the bare library, which answers `body`.
fn static_answer(body: &[u8], folder: &Path, servers: usize) -> anyhow::Result<(Process, Reader)> {
    let (floor, addresses) = http::start_static(body, folder, servers)?;
    let process = ("static", floor.pid());
    Ok((floor, Reader { process, addresses }))
}

fn measured(bench: &Bench, readers: &[Reader], requests: &Arc<[Vec<u8>]>) -> anyhow::Result<Vec<Cost>> {
    let addresses = readers.iter().flat_map(|reader| &reader.addresses).copied().collect();
    let requests = Arc::clone(requests);
    let stream = Stream { addresses, requests, status: 200, connections: CONNECTIONS, per_second: PER_SECOND };
    let processes: Vec<Watched<'_>> = readers.iter().map(|reader| reader.process).collect();
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
