//! The most memory that each process had in the runs above.

use crate::bench::Bench;
use crate::parts::Missing;
use crate::row::Figures;

const OURS: [&str; 3] = ["command-service", "listener-service", "query-service"];

/// The largest of our three counts; all are told.
pub(crate) fn memory(bench: &Bench) -> anyhow::Result<Figures> {
    let peaks = bench.peaks();
    let ours = OURS.iter().filter_map(|name| peaks.get(*name).copied());
    let largest = ours.reduce(f64::max);
    let largest = largest.ok_or_else(|| Missing("no other row has run one of our services".to_owned()))?;
    let mut figures = Figures::default();
    figures.alone("memory", largest);
    // The load is this program, which also runs the raw loops.
    for (process, peak) in peaks.iter().filter(|(process, _)| *process != "load") {
        figures.note("memory", format!("{process}: {peak:.0} MB"));
    }
    Ok(figures)
}
