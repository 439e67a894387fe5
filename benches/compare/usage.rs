//! What processes take: processor time and memory, as Linux counts them.

use anyhow::Context;

use crate::load::thousands;

/// Of /proc/<pid>/stat: Linux counts in hundredths of a second whatever the machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one process took for a load.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) process: String,
    /// Seconds of processor time for 1,000 operations.
    pub(crate) cpu_per_thousand: f64,
    /// The most memory that it had until then.
    pub(crate) peak_mb: f64,
}

/// A name for people, and a process.
pub(crate) type Watched<'a> = (&'a str, u32);

/// Processor time from here on.
pub(crate) struct Meter(Vec<(String, u32, f64)>);

impl Meter {
    pub(crate) fn start(processes: &[Watched<'_>]) -> anyhow::Result<Self> {
        let began = |&(name, pid): &Watched<'_>| Ok((name.to_owned(), pid, processor_seconds(pid)?));
        Ok(Self(processes.iter().map(began).collect::<anyhow::Result<_>>()?))
    }

    /// What each took for so many operations.
    pub(crate) fn stop(self, operations: u64) -> anyhow::Result<Vec<Cost>> {
        let cost = |(process, pid, before): (String, u32, f64)| {
            let cpu_per_thousand = (processor_seconds(pid)? - before) / thousands(operations);
            Ok(Cost { process, cpu_per_thousand, peak_mb: peak_mb(pid)? })
        };
        self.0.into_iter().map(cost).collect()
    }
}

/// User and system time so far (proc(5): fields 14 and 15; the second, in brackets, may hold spaces).
fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a name in brackets")?;
    let ticks: Vec<u32> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_SECOND)
}

/// The most memory that it ever had, in MB of a million bytes.
fn peak_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("Linux tells it")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
}
