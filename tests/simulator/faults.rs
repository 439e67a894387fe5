//! Faults of one listener's database, between any two instructions of SQLite: statements that are interrupted, commits
//! that fail, and a process that dies in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use listener_service::clock::SimulatedTime;
use rusqlite::Connection;

/// So often SQLite asks whether to go on, in instructions of its machine.
const EVERY: i32 = 11;
/// None is armed.
const NEVER: i64 = i64::MAX;

/// What is armed, and what came of it.
#[derive(Debug)]
pub(crate) struct Faults {
    time: Arc<SimulatedTime>,
    /// After so many looks the statement fails.
    interrupt_in: AtomicI64,
    /// So many times; each is as far from the one before.
    again: AtomicI64,
    distance: AtomicI64,
    /// It fails because the process dies.
    is_fatal: AtomicBool,
    /// So many commits fail.
    failing_commits: AtomicI64,
    /// The process dies after so many commits.
    dies_after: AtomicI64,
    is_dead: AtomicBool,
    is_suspended: AtomicBool,
    pub(crate) interrupts: AtomicI64,
    pub(crate) failed_commits: AtomicI64,
}

impl Faults {
    pub(crate) fn new(time: Arc<SimulatedTime>) -> Self {
        Self {
            time,
            interrupt_in: AtomicI64::new(NEVER),
            again: AtomicI64::new(0),
            distance: AtomicI64::new(0),
            is_fatal: AtomicBool::new(false),
            failing_commits: AtomicI64::new(0),
            dies_after: AtomicI64::new(NEVER),
            is_dead: AtomicBool::new(false),
            is_suspended: AtomicBool::new(false),
            interrupts: AtomicI64::new(0),
            failed_commits: AtomicI64::new(0),
        }
    }

    pub(crate) fn install(self: &Arc<Self>, connection: &Connection) {
        let looking = Arc::clone(self);
        connection.progress_handler(EVERY, Some(move || looking.interrupts_now())).expect("it is ours");
        let committing = Arc::clone(self);
        connection.commit_hook(Some(move || committing.fails_commit())).expect("it is ours");
    }

    /// `times` statements fail, each `distance` looks after the one before.
    pub(crate) fn interrupt(&self, distance: i64, times: i64) {
        self.again.store(times - 1, Ordering::Release);
        self.distance.store(distance, Ordering::Release);
        self.interrupt_in.store(distance, Ordering::Release);
    }

    /// The process dies at this look.
    pub(crate) fn die_in(&self, distance: i64) {
        self.is_fatal.store(true, Ordering::Release);
        self.interrupt_in.store(distance, Ordering::Release);
    }

    /// The process dies after so many commits, before it does anything else.
    pub(crate) fn die_after_commits(&self, commits: i64) {
        self.dies_after.store(commits, Ordering::Release);
    }

    pub(crate) fn fail_commits(&self, times: i64) {
        self.failing_commits.store(times, Ordering::Release);
    }

    /// While it is so, nothing fails: for what the simulator itself does there.
    pub(crate) fn suspend(&self, is_so: bool) {
        self.is_suspended.store(is_so, Ordering::Release);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Acquire)
    }

    /// Whatever is armed and has not happened will not.
    pub(crate) fn disarm(&self) {
        self.interrupt_in.store(NEVER, Ordering::Release);
        self.failing_commits.store(0, Ordering::Release);
        self.dies_after.store(NEVER, Ordering::Release);
        self.is_fatal.store(false, Ordering::Release);
    }

    fn die(&self) {
        self.is_dead.store(true, Ordering::Release);
        self.time.allow_naps(0);
    }

    fn interrupts_now(&self) -> bool {
        if self.is_suspended.load(Ordering::Acquire) {
            return false;
        }
        if self.is_dead() {
            return true;
        }
        let left = self.interrupt_in.load(Ordering::Acquire);
        if left == NEVER {
            return false;
        }
        self.interrupt_in.store(left - 1, Ordering::Release);
        if left > 1 {
            return false;
        }
        self.interrupts.fetch_add(1, Ordering::AcqRel);
        if self.is_fatal.load(Ordering::Acquire) {
            self.die();
        }
        let again = self.again.fetch_sub(1, Ordering::AcqRel) > 0;
        let next = if again { self.distance.load(Ordering::Acquire) } else { NEVER };
        self.interrupt_in.store(next, Ordering::Release);
        true
    }

    fn fails_commit(&self) -> bool {
        if self.is_suspended.load(Ordering::Acquire) {
            return false;
        }
        if self.is_dead() {
            return true;
        }
        if self.failing_commits.load(Ordering::Acquire) > 0 {
            self.failing_commits.fetch_sub(1, Ordering::AcqRel);
            self.failed_commits.fetch_add(1, Ordering::AcqRel);
            return true;
        }
        if self.dies_after.load(Ordering::Acquire) != NEVER && self.dies_after.fetch_sub(1, Ordering::AcqRel) <= 1 {
            self.die();
        }
        false
    }
}
