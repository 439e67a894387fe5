//! A reader that holds a snapshot for a minute: the write-ahead log cannot start over meanwhile, and must afterwards.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use testkit::checker::{self, History};

use super::{Lane, Stage, times};
use crate::arguments::Amounts;

const HELD_FOR: Duration = Duration::from_mins(1);
/// It is looked at every five seconds.
const SHRINKS_WITHIN: Duration = Duration::from_secs(12);

/// The lane.
pub(super) struct Snapshots;

impl Lane for Snapshots {
    type Fault = ();

    fn plan(amounts: &Amounts) -> Vec<()> {
        times(amounts.snapshots, ()).collect()
    }

    fn act(&mut self, stage: &Stage, (): &(), rng: &mut fastrand::Rng) -> bool {
        super::pause(rng, 2000..20_000);
        stage.note("a reader holds a snapshot for a minute");
        let mut connection = stage.world.look();
        stage.world.is_held.store(true, Ordering::SeqCst);
        let snapshot = connection.transaction().expect("begun");
        let _: i64 = snapshot.query_row("SELECT count(*) FROM logs", [], |row| row.get(0)).expect("read");
        let began = Instant::now();
        keeps_every_invariant(stage);
        std::thread::sleep(HELD_FOR.saturating_sub(began.elapsed()));
        drop(snapshot);
        // The log starts over at its next turn, and is given back to the disk.
        std::thread::sleep(SHRINKS_WITHIN);
        stage.world.is_held.store(false, Ordering::SeqCst);
        stage.count("snapshot-held");
        true
    }
}

/// What is there now, in the middle of the run. What was asked for, and what is poison, is known only at the end.
fn keeps_every_invariant(stage: &Stage) {
    let report = checker::check(&stage.world.database, &History::default());
    for (of, seen) in report.violations().filter(|(of, _)| *of != "dead letters") {
        stage.world.journal().violated(of, format!("during the run: {seen}"));
    }
}
