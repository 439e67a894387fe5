//! What a read costs when several query-services share it: processor time at a fixed rate, of four and of one.
//!
//! Open loop, so that both have the same to do. They read from Redis alone, as readers on other hosts do. Beside them the
//! same is measured of the bare HTTP library, which tells how much of the difference is the machine's own: what it costs to
//! wake four processes in turn.

use std::net::SocketAddr;
use std::path::Path;
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

/// Who can be asked for an item.
struct Reader {
    process: Watched<'static>,
    address: SocketAddr,
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
        .map(|(service, name)| Ok(Reader { process: (name, service.watched().1), address: service.address()? }))
        .collect::<anyhow::Result<_>>()?;
    let requests: Arc<[Vec<u8>]> = (0..ITEMS).map(|n| get(&format!("/api/v1/inventory/items/{}", item(n)))).collect();
    let (_floors, bare) = static_answers(bench, folder.path(), ours[0].address, &requests[0])?;
    let mut figures = Figures::default();
    let mut bare_figures = Samples::default();
    for repeat in 0..=bench.repeats() {
        let one = measured(bench, &ours[..1], &requests)?;
        let several = measured(bench, &ours, &requests)?;
        let bare_one = measured(bench, &bare[..1], &requests)?;
        let bare_several = measured(bench, &bare, &requests)?;
        // The first is to warm up.
        if repeat > 0 {
            figures.pair("readers", total(&several), total(&one));
            figures.costs("readers", several);
            bare_figures.values.push(total(&bare_several));
            bare_figures.floors.push(total(&bare_one));
        }
    }
    if let (Some(several), Some(one), Some(ratio)) = (bare_figures.value(), bare_figures.floor(), bare_figures.ratio())
    {
        let note =
            format!("the static answer of the HTTP library: {several:.4} of four, {one:.4} of one, ratio {ratio:.2}");
        figures.note("readers", note);
    }
    Ok(figures)
}

/// As many processes of the bare library, which answer what ours does.
fn static_answers(
    bench: &Bench,
    folder: &Path,
    ours: SocketAddr,
    request: &[u8],
) -> anyhow::Result<(Vec<Process>, Vec<Reader>)> {
    let answer = async { anyhow::Ok(Connection::open(ours).await?.exchange(request, 200).await?.body.to_vec()) };
    let body = bench.runtime.block_on(answer)?;
    let start = |_| {
        let (floor, address) = http::start_static(&body, folder)?;
        let process = ("static", floor.pid());
        Ok((floor, Reader { process, address }))
    };
    Ok((0..SEVERAL).map(start).collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip())
}

fn measured(bench: &Bench, readers: &[Reader], requests: &Arc<[Vec<u8>]>) -> anyhow::Result<Vec<Cost>> {
    let addresses = readers.iter().map(|reader| reader.address).collect();
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
