//! A clock that is an hour off, for one process: `clock/step.c`, loaded before the program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Stage;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/faults/clock/step.c");
const HOUR: i64 = 3600;

/// The clock of one process, which steps when it is told to.
pub(super) struct Stepping {
    library: PathBuf,
    file: PathBuf,
    seconds: i64,
}

impl Stepping {
    /// An hour ahead or behind.
    pub(super) fn of(stage: &Stage, rng: &mut fastrand::Rng) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = stage.world.folder.join(format!("clock-{number}"));
        let seconds = if rng.bool() { HOUR } else { -HOUR };
        let clock = Self { library: library(&stage.world.folder), file, seconds };
        clock.write(seconds);
        clock
    }

    pub(super) fn seconds(&self) -> i64 {
        self.seconds
    }

    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("LD_PRELOAD", self.library.display().to_string()), ("CLOCK_STEP", self.file.display().to_string())]
    }

    /// While the process runs: it sees this at once.
    pub(super) fn step_back(&self) {
        self.write(0);
    }

    fn write(&self, seconds: i64) {
        use std::io::Write as _;
        // Not cut off and written anew: what is mapped must stay there.
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.file);
        file.and_then(|mut file| file.write_all(&seconds.to_ne_bytes())).expect("a file in our folder");
    }
}

/// Compiled once a run, by the compiler that has built SQLite.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("step.so");
    if !library.exists() {
        let partial = folder.join(format!("step.so.{:?}", std::thread::current().id()));
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", SOURCE, "-ldl", "-o"]).arg(&partial);
        assert!(cc.status().expect("a C compiler").success(), "{cc:?}");
        std::fs::rename(&partial, &library).expect("renamed");
    }
    library
}
