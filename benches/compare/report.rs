//! The table, and the files that the results are left in.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::Value;

use crate::bench::Bench;
use crate::chart;
use crate::row::{Row, Samples, median};
use crate::usage::Cost;

/// What a reader must know to judge the figures.
pub(crate) fn begin(bench: &Bench) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{cores} cores, shared by the load (2 threads of this process), the servers and what they need: Kafka or the"
    );
    println!(
        "in-process broker, Redis, PostgreSQL. All listen on 127.0.0.1. {} repeats of {:?}, each",
        bench.repeats(),
        bench.load_time()
    );
    println!(
        "followed by one of its floor. Commands have one partition; SQLite runs with synchronous=FULL, Redis without"
    );
    println!("persistence, Kafka as kafka/local.sh starts it (one node, acks=all, no fsync for each message).");
    println!();
    println!(
        "{:<24} {:>12} {:>12} {:>7} {:>7} {:>7} {:>7}",
        "row", "value", "floor", "ratio", "reach", "good", "spread"
    );
}

/// One line, and what else is known of it below.
pub(crate) fn row(row: &Row) {
    let definition = row.definition;
    let samples = match &row.samples {
        Ok(samples) => samples,
        Err(why) => return println!("{:<24} missing: {why}", definition.name),
    };
    let mark = match row {
        row if row.falls_short_of(definition.reach) => "  SHORT",
        row if row.falls_short_of(definition.good) => "",
        _ => "  good",
    };
    println!(
        "{:<24} {:>12} {:>12} {:>7} {:>7} {:>7} {:>7}  {}{mark}",
        definition.name,
        number(row.value()),
        number(row.floor()),
        number(row.ratio()),
        definition.reach,
        definition.good,
        row.spread().map_or("-".to_owned(), |spread| format!("{:.0}%", spread * 100.0)),
        definition.unit,
    );
    for line in costs(samples).into_iter().chain(samples.notes.iter().cloned()) {
        println!("{:<24}   {line}", "");
    }
}

/// Medians of the processor time, and the peaks of the memory, a line for each process.
pub(crate) fn costs(samples: &Samples) -> Vec<String> {
    let mut processes: BTreeMap<&str, Vec<&Cost>> = BTreeMap::new();
    for cost in &samples.costs {
        processes.entry(&cost.process).or_default().push(cost);
    }
    let line = |(process, costs): (&str, Vec<&Cost>)| {
        let cpu: Vec<f64> = costs.iter().map(|cost| cost.cpu_per_thousand).collect();
        let peak = costs.iter().map(|cost| cost.peak_mb).fold(0.0, f64::max);
        format!("{process}: {:.4} CPU s per 1,000, peak {peak:.0} MB", median(&cpu).unwrap_or_default())
    };
    processes.into_iter().map(line).collect()
}

/// Writes the files. It fails if a row could not be measured for another reason than that a part is missing here.
pub(crate) fn finish(rows: &[Row]) -> anyhow::Result<ExitCode> {
    let folder = Bench::target();
    let (json, svg) = (folder.join("compare.json"), folder.join("compare.svg"));
    let objects: Vec<Value> = rows.iter().map(Row::json).collect();
    std::fs::write(&json, serde_json::to_string_pretty(&objects)? + "\n")?;
    std::fs::write(&svg, chart::svg(rows))?;
    println!("\n{} and {}", json.display(), svg.display());
    let short: Vec<&str> =
        rows.iter().filter(|row| row.falls_short_of(row.definition.reach)).map(|row| row.definition.name).collect();
    if !short.is_empty() {
        println!("short of their reach: {}", short.join(", "));
    }
    Ok(if rows.iter().any(|row| row.has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whole from a thousand on, else with three digits that say something.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 1000.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) if value >= 0.1 => format!("{value:.2}"),
        Some(value) => format!("{value:.4}"),
    }
}
