//! The simulator's seeds, as many as the profile asks for: the test target of its own, built as this one is.

use std::path::Path;
use std::process::{Command, Stdio};

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simulated {
    pub(crate) seeds: u32,
    pub(crate) is_green: bool,
}

/// Runs so many seeds, from one that follows from this run's.
pub(crate) fn run(seeds: u32, seed: u64, folder: &Path) -> Simulated {
    println!("chaos: {seeds} seeds of the simulator");
    let first = seed * 1_000_000;
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let done = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--profile", profile, "--test", "simulator"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("SIMULATOR_SEEDS", seeds.to_string())
        .env("SIMULATOR_SEED", first.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("cargo");
    let said = [done.stdout, done.stderr].concat();
    std::fs::write(folder.join("simulator.log"), &said).expect("written");
    if !done.status.success() {
        println!("{}", String::from_utf8_lossy(&said));
    }
    Simulated { seeds, is_green: done.status.success() }
}
