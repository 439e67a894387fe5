//! POST reserve → 202, closed loop: command-service on a broker in another process, beside the echo.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testkit::process::Process;

use crate::bench::Bench;
use crate::floors::http;
use crate::load::closed::Load;
use crate::load::post;
use crate::parts::services::{Service, command};
use crate::parts::{self, broker};
use crate::row::Figures;
use crate::stock::{ITEMS, item};
use crate::usage::{Cost, Meter, Watched};

/// So many loads that are no faster than one before, by more than this, mean that it is warm.
const STEADY: u32 = 4;
const FASTER: f64 = 1.03;
const MOST_TO_WARM_UP: u32 = 60;

/// The row's name, and its connections.
type Variant = (&'static str, usize);

/// On the in-process broker in a process of its own: `accept` and `accept-cpu`.
pub(crate) fn embedded(bench: &Bench) -> anyhow::Result<Figures> {
    let folder = Bench::folder()?;
    let (broker, brokers) = broker::start(folder.path())?;
    let variants: &[Variant] =
        if bench.wants("accept") { &[("accept", 64), ("accept-256", 256)] } else { &[("accept", 64)] };
    let mut figures = contest(bench, folder.path(), &brokers, ("broker", broker.pid()), variants)?;
    let accepted = figures.samples.get("accept").map(|samples| samples.costs.clone()).unwrap_or_default();
    for (ours, echo) in costs_of(&accepted, "command-service").zip(costs_of(&accepted, "echo")) {
        figures.pair("accept-cpu", ours, echo);
    }
    Ok(figures)
}

/// On Apache Kafka, on the same cores.
pub(crate) fn kafka(bench: &Bench) -> anyhow::Result<Figures> {
    let kafka = parts::kafka::start()?;
    let folder = Bench::folder()?;
    let watched = ("Kafka", parts::kafka::pid(&kafka)?);
    contest(bench, folder.path(), &kafka.address(), watched, &[("accept-kafka", 64), ("accept-kafka-256", 256)])
}

fn costs_of<'a>(costs: &'a [Cost], process: &'a str) -> impl Iterator<Item = f64> + 'a {
    costs.iter().filter(move |cost| cost.process == process).map(|cost| cost.cpu_per_thousand)
}

fn contest(
    bench: &Bench,
    folder: &Path,
    brokers: &str,
    broker: Watched<'_>,
    variants: &[Variant],
) -> anyhow::Result<Figures> {
    let service = command(folder, brokers).ready(bench);
    let (echo, floor) = http::start(&[http::ECHO], folder)?;
    let requests: Arc<[Vec<u8>]> = (0..ITEMS).map(reserve).collect();
    let load = |address, connections| Load { address, requests: Arc::clone(&requests), status: 202, connections };
    let mut figures = Figures::default();
    for &(row, connections) in variants {
        let (ours, floor) = (load(service.address()?, connections), load(floor, connections));
        warm_up_until_steady(bench, &ours)?;
        warm_up(&[&floor], bench.load_time() / 2)?;
        for _ in 0..bench.repeats() {
            let (a_second, costs) = measured(bench, &ours, &[service.watched(), broker])?;
            let (floor_a_second, floor_costs) = measured(bench, &floor, &[("echo", echo.pid())])?;
            figures.pair(row, a_second, floor_a_second);
            figures.costs(row, [costs, floor_costs].concat());
        }
    }
    stop(service, echo)?;
    Ok(figures)
}

/// The same bytes for ours and for the echo.
fn reserve(n: usize) -> Vec<u8> {
    post(&format!("/api/v1/inventory/items/{}/reserve", item(n)), r#"{"quantity":1}"#)
}

/// Until several loads were no faster than the fastest before: the JVM goes on compiling what it has done thousands of
/// times, for some seconds on one machine and for minutes on another.
pub(super) fn warm_up_until_steady(bench: &Bench, load: &Load) -> anyhow::Result<()> {
    let (mut fastest, mut no_faster) = (0.0, 0);
    for _ in 0..MOST_TO_WARM_UP {
        let a_second = load.run(bench.load_time() / 2)?.per_second;
        if a_second > fastest * FASTER {
            (fastest, no_faster) = (a_second, 0);
        } else {
            no_faster += 1;
        }
        if no_faster == STEADY {
            break;
        }
    }
    Ok(())
}

pub(super) fn warm_up(loads: &[&Load], each: Duration) -> anyhow::Result<()> {
    loads.iter().try_for_each(|load| load.run(each).map(drop))
}

/// Answers a second, and what they took.
pub(super) fn measured(bench: &Bench, load: &Load, processes: &[Watched<'_>]) -> anyhow::Result<(f64, Vec<Cost>)> {
    let own = ("load", std::process::id());
    let meter = Meter::start(&[processes, &[own]].concat())?;
    let answered = load.run(bench.load_time())?;
    let costs = meter.stop(answered.answers)?;
    bench.note(&costs);
    Ok((answered.per_second, costs))
}

fn stop(service: Service, echo: Process) -> anyhow::Result<()> {
    echo.kill();
    service.stop()
}
