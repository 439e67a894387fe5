//! What is to be measured, and for how long: the arguments, and what all rows share.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::runtime::Runtime;

use crate::rows::ROWS;
use crate::usage::Cost;

/// Two cores serve everything: the load, the servers and what they need.
pub(crate) const REPEATS: usize = 5;

pub(crate) struct Bench {
    pub(crate) is_quick: bool,
    /// For what is asynchronous besides the loads, which have runtimes of their own.
    pub(crate) runtime: Runtime,
    families: BTreeSet<&'static str>,
    peaks: RefCell<BTreeMap<String, f64>>,
}

impl Bench {
    /// `cargo bench` itself adds `--bench`.
    pub(crate) fn from_arguments(arguments: &[String]) -> anyhow::Result<Self> {
        let (mut is_quick, mut families) = (false, BTreeSet::new());
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            match argument {
                "--bench" => {}
                "--quick" => is_quick = true,
                "--row" => drop(families.insert(family(arguments.next().context("--row NAME")?)?)),
                unknown => bail!("unknown argument {unknown}; there are --row NAME and --quick"),
            }
        }
        if families.is_empty() {
            families.extend(ROWS.iter().filter(|row| !row.only_by_name).map(|row| row.family));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { is_quick, runtime, families, peaks: RefCell::default() })
    }

    /// Whether the rows of this family are to be measured.
    pub(crate) fn wants(&self, family: &str) -> bool {
        self.families.contains(family)
    }

    pub(crate) fn repeats(&self) -> usize {
        if self.is_quick { 1 } else { REPEATS }
    }

    /// How long one load lasts.
    pub(crate) fn load_time(&self) -> Duration {
        Duration::from_secs(if self.is_quick { 1 } else { 4 })
    }

    /// So many of something, or a tenth.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        if self.is_quick { count / 10 } else { count }
    }

    /// A folder on the disk where the build is, that goes with its end.
    pub(crate) fn folder() -> anyhow::Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("compare-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
    }

    /// Where the results go.
    pub(crate) fn target() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target folder").to_owned()
    }

    /// Remembers the most memory that each process was seen to have.
    pub(crate) fn note(&self, costs: &[Cost]) {
        let mut peaks = self.peaks.borrow_mut();
        for cost in costs {
            let peak = peaks.entry(cost.process.clone()).or_default();
            *peak = peak.max(cost.peak_mb);
        }
    }

    /// MB, by process.
    pub(crate) fn peaks(&self) -> BTreeMap<String, f64> {
        self.peaks.borrow().clone()
    }
}

/// The family that `name` is, or is of.
fn family(name: &str) -> anyhow::Result<&'static str> {
    let found = ROWS.iter().find(|row| row.family == name || row.name == name);
    let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    ensure!(found.is_some(), "there is no row {name}; the rows are {}", names.join(", "));
    Ok(found.expect("it is there").family)
}
