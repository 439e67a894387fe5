//! The listener in one process, on one thread, on a seeded and simulated log, clock, broker and cache, and on a real
//! SQLite: faults between any two steps and inside transactions, restarts, duplicates, zombies. All that it does follows
//! from a seed; when all faults are over, every invariant is checked.
//!
//! `SIMULATOR_SEED` is the first seed, `SIMULATOR_SEEDS` how many are run. A seed that fails is printed with the command
//! that runs it again, and belongs into `regressions` once its cause is mended.

mod cache;
mod faults;
mod listener;
mod log;
mod oracle;
mod plan;
mod plant;
mod planted;
mod quiet;
mod random;
mod regressions;
mod rest;
mod sending;
mod steps;
mod tally;
mod topics;
mod watch;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tally::Tally;
use world::run;

/// As many as an unoptimised build runs within a few seconds.
const SEEDS: u64 = 60;
const THREADS: usize = 2;
/// What a run of many seeds must have seen of each, in every hundred seeds.
const LEAST: [(&str, usize); 22] = [
    ("commands", 4000),
    ("sent again", 800),
    ("applied", 1500),
    ("rejected", 1000),
    ("expiries", 50),
    ("dead letters", 200),
    ("exhausted", 20),
    ("crashes", 300),
    ("stops", 40),
    ("takeovers", 80),
    ("fenced", 40),
    ("exchanged logs", 5),
    ("interrupts", 80),
    ("failed commits", 80),
    ("deaths in the writer", 60),
    ("deaths in the publisher", 20),
    ("deaths in the projector", 10),
    ("cache: lost all", 20),
    ("cache: lost a key", 20),
    ("cache: delayed a call", 10),
    ("guarded calls", 10),
    ("steps of the wall clock", 40),
];

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a setting of this test alone")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Fails with the first violations of this seed, and how to see them again.
fn assert_clean(seed: u64, violations: &[String]) {
    let told = &violations[..violations.len().min(12)];
    let many = violations.len();
    assert!(
        violations.is_empty(),
        "{many} violations, SIMULATOR_SEED={seed} SIMULATOR_SEEDS=1 cargo test --test simulator:\n{}",
        told.join("\n")
    );
}

#[test]
fn whatever_dies_nothing_is_lost_and_nothing_happens_twice() {
    let first = setting("SIMULATOR_SEED").unwrap_or(1);
    let seeds = setting("SIMULATOR_SEEDS").unwrap_or(SEEDS);
    let (next, all, started) = (AtomicU64::new(first), Mutex::new((Tally::default(), Vec::new())), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::AcqRel);
                    if seed >= first + seeds {
                        return;
                    }
                    let ended = run(seed, None);
                    let mut all = all.lock().expect("nobody panicked");
                    all.0.join(&ended.tally);
                    if !ended.violations.is_empty() {
                        all.1.push((seed, ended.violations));
                    }
                }
            });
        }
    });
    let (tally, mut failed) = all.into_inner().expect("nobody panicked");
    failed.sort();
    println!("{seeds} seeds from {first} in {:.1} s: {tally}", started.elapsed().as_secs_f64());
    if let Some((seed, violations)) = failed.first() {
        for (seed, violations) in &failed {
            println!("seed {seed}: {} violations, the first: {}", violations.len(), violations[0]);
        }
        assert_clean(*seed, violations);
    }
    if seeds >= SEEDS {
        for (what, least) in LEAST {
            let least = least * usize::try_from(seeds).expect("few") / 100;
            assert!(tally.of(what) >= least, "{what}: {} times, at least {least} were to be", tally.of(what));
        }
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in [3, 5] {
        let (once, again) = (run(seed, None), run(seed, None));
        assert_eq!((once.trace, once.tally), (again.trace, again.tally), "seed {seed}");
    }
}
