//! What the follower of the journal tells the rest of the service.
//!
//! Three things, always in this order: floors are raised for what changed, then [`Applied`] is published, then whoever
//! waits for an outcome is woken. So whoever has seen a sequence published finds no older document in memory.

pub(crate) mod floors;
pub(crate) mod waiters;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use shared::token::ConsistencyToken;
use tokio::sync::watch;

use crate::query::journal::Change;
use crate::query::logs::LogPosition;
use floors::Floors;
use waiters::Waiters;

/// A follower that has not completed a look for this long may have missed anything: memory is not believed then.
const BELIEVED_FOR: Duration = Duration::from_millis(500);

/// How far the read side has followed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    pub(crate) sequence: u64,
    pub(crate) logs: Vec<LogPosition>,
}

impl Applied {
    /// Whether every token's write has been applied. A log that the listener has not recorded satisfies nothing.
    pub(crate) fn satisfies(&self, tokens: &[ConsistencyToken]) -> bool {
        tokens.iter().all(|token| self.logs.iter().any(|log| log.satisfies(token)))
    }
}

/// Shared by the follower's thread and by all requests.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) floors: Floors,
    pub(crate) waiters: Waiters,
    applied: watch::Sender<Applied>,
    /// The greatest sequence that an outcome told a client of.
    told: AtomicU64,
    is_reachable: AtomicBool,
    started: Instant,
    /// When the last look was completed, in milliseconds since `started`.
    looked_at: AtomicU64,
    thread: OnceLock<Thread>,
    is_stopping: AtomicBool,
}

impl Following {
    /// Has followed nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            floors: Floors::new(),
            waiters: Waiters::default(),
            applied: watch::Sender::new(Applied::default()),
            told: AtomicU64::new(0),
            is_reachable: AtomicBool::new(false),
            started: Instant::now(),
            looked_at: AtomicU64::new(0),
            thread: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Whether the last look reached the database.
    pub(crate) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Ordering::Acquire)
    }

    /// Whether an entry in memory that is not below its floor is the present state: the follower looks at the database
    /// all the time, and has come as far as any outcome that was told.
    pub(crate) fn is_believed(&self) -> bool {
        let age = self.now().saturating_sub(self.looked_at.load(Ordering::Acquire));
        self.is_reachable() && u128::from(age) <= BELIEVED_FOR.as_millis() && self.sequence() >= self.told()
    }

    /// The sequence up to which floors are raised.
    pub(crate) fn sequence(&self) -> u64 {
        self.applied.borrow().sequence
    }

    /// The greatest sequence that an outcome told a client of.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// A client learns of `sequence`: from now on nothing older than it is believed.
    pub(crate) fn tell(&self, sequence: u64) {
        self.told.fetch_max(sequence, Ordering::AcqRel);
    }

    /// To see what is published from now on, beginning with the present.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Applied> {
        self.applied.subscribe()
    }

    /// Waits until floors cover a state that was read straight from the database, before it is kept or shown: else an
    /// older entry of another key, or one under way, could still be shown after it. Bounded: a follower that does not
    /// get there is not believed any more until it does.
    pub(crate) async fn settle(&self, sequence: u64) {
        if self.sequence() >= sequence {
            return;
        }
        let mut applied = self.applied.subscribe();
        self.look_now();
        let reached = applied.wait_for(|applied| applied.sequence >= sequence);
        if tokio::time::timeout(BELIEVED_FOR, reached).await.is_err() {
            self.tell(sequence);
        }
    }

    /// Ends the follower's pause.
    fn look_now(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ends the follower.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.look_now();
    }

    /// Whether the follower is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// The calling thread follows.
    pub(crate) fn follow_here(&self) {
        let _ = self.thread.set(std::thread::current());
    }

    /// Nothing is known of what came before `sequence`: what was read before it is not believed.
    pub(crate) fn begin_at(&self, sequence: u64) {
        self.floors.raise_all(sequence);
    }

    /// The first of the three: these documents changed. Returns whose waiters to wake at the end.
    pub(crate) fn raise(&self, changes: &[Change]) -> Vec<waiters::Waiter> {
        for change in changes {
            if let Some(item) = change.item_id {
                self.floors.raise(item, change.sequence);
            }
        }
        self.waiters.of(changes.iter().filter_map(|change| change.command_id))
    }

    /// The second and the third.
    pub(crate) fn publish(&self, applied: Applied, woken: Vec<waiters::Waiter>) {
        metrics::gauge!("inventory_follower_sequence").set(as_gauge(applied.sequence));
        self.applied.send_replace(applied);
        self.looked();
        for waiter in woken {
            waiter.notify_waiters();
        }
    }

    /// A look was completed.
    pub(crate) fn looked(&self) {
        self.looked_at.store(self.now(), Ordering::Release);
        self.is_reachable.store(true, Ordering::Release);
    }

    /// The database could not be read.
    pub(crate) fn lost(&self) {
        self.is_reachable.store(false, Ordering::Release);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; exact up to 2^53 entries")]
fn as_gauge(sequence: u64) -> f64 {
    sequence as f64
}
