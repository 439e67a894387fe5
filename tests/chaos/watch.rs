//! What is measured while the run goes on: the write-ahead log's size, and what each process takes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

/// Memory of one process is looked at for growth only if it lived so long.
const LONG: Duration = Duration::from_mins(1);
/// Who was not seen for so long has ended.
const GONE_AFTER: Duration = Duration::from_secs(2);
/// What it takes to warm up is no growth.
const WARM: Duration = Duration::from_secs(20);
/// Connections come and go; more than these are not let go.
const GROWTH: usize = 64;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) wal_bytes_max: u64,
    /// While nobody held a snapshot on purpose.
    pub(crate) wal_bytes_max_unheld: u64,
    pub(crate) descriptors_max: usize,
    pub(crate) threads_max: usize,
    processes: HashMap<u32, Vec<Look>>,
}

/// One process at one moment.
#[derive(Debug, Clone)]
struct Look {
    name: String,
    at: Instant,
    resident_kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Watch {
    pub(crate) fn look(&mut self, database: &Path, is_held: bool, pids: impl Iterator<Item = u32>) {
        let wal = database.with_extension("db-wal");
        let bytes = std::fs::metadata(wal).map_or(0, |metadata| metadata.len());
        self.wal_bytes_max = self.wal_bytes_max.max(bytes);
        if !is_held {
            self.wal_bytes_max_unheld = self.wal_bytes_max_unheld.max(bytes);
        }
        for pid in pids {
            let count = |what: &str| std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
            let (descriptors, threads) = (count("fd"), count("task"));
            self.descriptors_max = self.descriptors_max.max(descriptors);
            self.threads_max = self.threads_max.max(threads);
            if let Some(resident_kib) = resident_kib(pid) {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                let look =
                    Look { name: name.trim().to_owned(), at: Instant::now(), resident_kib, descriptors, threads };
                let looks = self.processes.entry(pid).or_default();
                // Another process has the number by now.
                if looks.last().is_some_and(|last| look.at - last.at > GONE_AFTER) {
                    looks.clear();
                }
                looks.push(look);
            }
        }
    }

    /// KiB a minute, by least squares: of each program the process that grew fastest, of those that lived long enough.
    pub(crate) fn memory_slopes(&self) -> BTreeMap<String, f64> {
        let mut slopes = BTreeMap::new();
        for looks in self.processes.values() {
            if let (Some(last), Some(slope)) = (looks.last(), slope(looks)) {
                let fastest: &mut f64 = slopes.entry(last.name.clone()).or_insert(slope);
                *fastest = fastest.max(slope);
            }
        }
        slopes
    }

    /// Processes that have more descriptors or threads at the end of a long life than when they were warm.
    pub(crate) fn grown(&self) -> Vec<String> {
        let grown = |(pid, looks): (&u32, &Vec<Look>)| {
            let (first, last) = (looks.first()?, looks.last()?);
            let warm = looks.iter().find(|look| look.at - first.at >= WARM)?;
            let is_grown = last.descriptors > warm.descriptors + GROWTH || last.threads > warm.threads + GROWTH;
            (last.at - first.at >= LONG && is_grown).then(|| format!("process {pid} went from {warm:?} to {last:?}"))
        };
        self.processes.iter().filter_map(grown).collect()
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn slope(looks: &[Look]) -> Option<f64> {
    let (first, last) = (looks.first()?.at, looks.last()?.at);
    if last - first < LONG {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a process has less than 2^52 KiB")]
    let points: Vec<(f64, f64)> = looks
        .iter()
        .filter(|look| look.at - first >= WARM)
        .map(|look| ((look.at - first).as_secs_f64() / 60.0, look.resident_kib as f64))
        .collect();
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}
