//! POST reserve → 202, closed loop: command-service on a broker in another process, beside the echo.

use std::path::Path;
use std::sync::Arc;

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
        ours.run_until_steady(bench.load_time() / 2)?;
        floor.run(bench.load_time() / 2)?;
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
