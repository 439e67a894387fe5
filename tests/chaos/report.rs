//! What is said at the end: as JSON for programs, as a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::faults::Tally;
use crate::journal::Violation;
use crate::simulator::Simulated;
use crate::verdict::Found;
use crate::world::{World, lock};

/// Violations that have a number of their own; all others are counted together.
const COUNTED: [&str; 6] = ["lost", "twice", "invented", "oversold", "staleReads", "backwardReads"];

/// How many violations of a kind are told; what-happened.txt has all.
const TOLD: u32 = 5;

/// One run's.
pub(crate) struct Report {
    json: Value,
    violations: Vec<Violation>,
    tally: Tally,
    simulated: Simulated,
}

impl Report {
    pub(crate) fn of(arguments: &Arguments, world: &World, tally: &Tally, found: &Found, simulated: Simulated) -> Self {
        let commands = world.parties.memory.commands();
        let count = |is: fn(&crate::memory::Remembered) -> bool| commands.iter().filter(|one| is(one)).count();
        let watch = lock(&world.watch);
        let mut json = json!({
            "seed": arguments.seed,
            "profile": arguments.profile.name(),
            "seconds": world.journal().elapsed().as_secs(),
            "attempted": commands.len(),
            "accepted": count(|one| one.accepted),
            "refused": count(|one| one.refused),
            "unknown": count(crate::memory::Remembered::is_unknown),
            "applied": found.checked.applied,
            "rejected": found.checked.rejected,
            "expired": found.checked.expiries,
            "journal": found.checked.journal,
            "reads": found.looks.0,
            "readsWithToken": found.looks.1,
            "answers": world.parties.memory.answers(),
            "deadLetters": {"expected": found.poison, "found": found.dead_letters},
            "faults": faults(tally),
            "recoveryMs": recoveries(&tally.recoveries),
            "walBytesMax": watch.wal_bytes_max,
            "memorySlope": watch.memory_slopes().into_values().reduce(f64::max),
            "memorySlopes": watch.memory_slopes(),
            "simulatedSeeds": simulated.seeds,
        });
        for of in COUNTED {
            json[of] = world.journal().count(of).into();
        }
        let violations = world.journal().violations();
        json["otherViolations"] = violations.iter().filter(|one| !COUNTED.contains(&one.of)).count().into();
        Self { json, violations, tally: tally.clone(), simulated }
    }

    pub(crate) fn is_green(&self) -> bool {
        self.violations.is_empty() && self.simulated.is_green
    }

    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&self.json).expect("plain data is JSON");
        std::fs::write(folder.join("report.json"), text + "\n")
    }
}

/// With n trials and no violation, the rate is below 3/n with 95 % confidence.
fn faults(tally: &Tally) -> Map<String, Value> {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
    let bound = |n: u64| 3.0 / n as f64;
    tally.faults.iter().map(|(kind, n)| (kind.clone(), json!({"n": n, "bound": bound(*n)}))).collect()
}

fn recoveries(times: &[Duration]) -> Value {
    let mut millis: Vec<u128> = times.iter().map(Duration::as_millis).collect();
    millis.sort_unstable();
    let at = |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().saturating_sub(1)));
    let value = |millis: Option<&u128>| millis.and_then(|millis| u64::try_from(*millis).ok());
    json!({"n": millis.len(), "p50": value(at(50)), "p99": value(at(99)), "max": value(millis.last())})
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |name: &str| self.json[name].to_string();
        for name in [
            "profile",
            "seed",
            "seconds",
            "attempted",
            "accepted",
            "refused",
            "unknown",
            "applied",
            "rejected",
            "expired",
            "journal",
            "reads",
            "readsWithToken",
            "walBytesMax",
            "memorySlopes",
            "simulatedSeeds",
            "deadLetters",
            "recoveryMs",
        ] {
            writeln!(f, "{name:>18}  {}", figure(name))?;
        }
        writeln!(f, "\n{:44} {:>6}  {:>8}", "fault", "n", "3/n")?;
        for (kind, n) in &self.tally.faults {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
            let bound = 3.0 / *n as f64;
            writeln!(f, "{kind:44} {n:>6}  {bound:>8.4}")?;
        }
        writeln!(f)?;
        for of in COUNTED.into_iter().chain(["otherViolations"]) {
            writeln!(f, "{of:>18}  {}", figure(of))?;
        }
        if !self.simulated.is_green {
            writeln!(f, "VIOLATION in the simulator: see simulator.log")?;
        }
        let mut told = BTreeMap::new();
        for Violation { of, seen } in &self.violations {
            let before: &mut u32 = told.entry(of).or_default();
            *before += 1;
            if *before <= TOLD {
                writeln!(f, "VIOLATION {of}: {seen}")?;
            }
        }
        let more = told.into_iter().filter(|(_, count)| *count > TOLD);
        more.into_iter().try_for_each(|(of, count)| writeln!(f, "VIOLATION {of}: {} more", count - TOLD))
    }
}
