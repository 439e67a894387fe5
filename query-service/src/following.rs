//! What is followed of the journal, for the rest of the service: told by the follower of the database file, or, where
//! there is no file, by what the projector announces over Redis.
//!
//! Three things, always in this order: floors are raised for what changed, then [`Applied`] is published, then whoever
//! waits for an outcome is woken. So whoever has seen a sequence published finds no older document in memory.

pub(crate) mod floors;
pub(crate) mod waiters;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use shared::aggregate::AggregateId;
use shared::read_model::{Announcement, HEARTBEAT_MILLIS};
use shared::token::ConsistencyToken;
use tokio::sync::watch;
use uuid::Uuid;

use crate::follower::bell::Bell;
use crate::query::journal::Change;
use crate::query::logs::LogPosition;
use crate::source::Stamp;
use floors::Floors;
use waiters::Waiters;

/// A follower that has not completed a look for this long may have missed anything: memory is not believed then.
const LOOK_BELIEVED_FOR: Duration = Duration::from_millis(500);
/// As long may announcements be silent, of which there is one each second at least.
pub(crate) const SILENCE: Duration = Duration::from_millis(2 * HEARTBEAT_MILLIS);
/// How often the sequence is noted, to know later how far it was a second ago.
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// How old a list may be.
pub(crate) const LIST_AGE: Duration = Duration::from_secs(1);

/// The process cannot go on: what it holds in memory and what it would read are not of one history.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("the database file was replaced by another one (a restore?); start again to read it")]
    Replaced,
    #[error("the journal went back from sequence {seen} to {found} (a restore?); start again to read it")]
    WentBack { seen: u64, found: u64 },
}

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
    /// That of what is applied, for who asks often.
    sequence: AtomicU64,
    /// Of the model in Redis that is of the history followed here.
    generation: watch::Sender<Option<Uuid>>,
    /// Sequences with when they were noted, the oldest first: one that is [`LIST_AGE`] old, and those after it.
    noted: Mutex<VecDeque<(Instant, u64)>>,
    believed_for: Duration,
    /// The greatest sequence that an outcome told a client of.
    told: AtomicU64,
    is_reachable: AtomicBool,
    is_behind: AtomicBool,
    started: Instant,
    /// When the last look was completed, in milliseconds since `started`.
    looked_at: AtomicU64,
    bell: OnceLock<Arc<Bell>>,
    is_stopping: AtomicBool,
}

impl Following {
    /// Of a database file; has followed nothing yet.
    pub(crate) fn of_database() -> Self {
        Self::believed_for(LOOK_BELIEVED_FOR)
    }

    /// Of announcements; has followed nothing yet.
    pub(crate) fn of_announcements() -> Self {
        Self::believed_for(SILENCE)
    }

    fn believed_for(believed_for: Duration) -> Self {
        Self {
            floors: Floors::new(),
            waiters: Waiters::default(),
            applied: watch::Sender::new(Applied::default()),
            sequence: AtomicU64::new(0),
            generation: watch::Sender::new(None),
            noted: Mutex::default(),
            believed_for,
            told: AtomicU64::new(0),
            is_reachable: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            started: Instant::now(),
            looked_at: AtomicU64::new(0),
            bell: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Whether the last look reached what is followed.
    pub(crate) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Ordering::Acquire)
    }

    /// Whether an entry in memory that is not below its floor is the present state: the follower looks at the database
    /// all the time, and has come as far as any outcome that was told.
    pub(crate) fn is_believed(&self) -> bool {
        self.is_current() && self.sequence() >= self.told()
    }

    /// Whether nothing has happened since this was read, and the follower would know.
    pub(crate) fn is_present(&self, stamp: &Stamp) -> bool {
        self.is_believed() && stamp.sequence >= self.sequence()
    }

    /// Whether nothing that was committed a moment ago can be unknown here.
    pub(crate) fn is_current(&self) -> bool {
        let age = self.now().saturating_sub(self.looked_at.load(Ordering::Acquire));
        self.is_reachable() && !self.is_behind() && u128::from(age) <= self.believed_for.as_millis()
    }

    /// The generation of the model in Redis that may be believed, as it changes.
    pub(crate) fn generation(&self) -> watch::Receiver<Option<Uuid>> {
        self.generation.subscribe()
    }

    /// Whether the model in Redis with this generation may be believed.
    pub(crate) fn believes(&self, generation: Uuid) -> bool {
        *self.generation.borrow() == Some(generation)
    }

    /// The model in Redis with this generation is of the history that is followed here.
    pub(crate) fn believe(&self, generation: Uuid) {
        self.generation.send_if_modified(|believed| believed.replace(generation) != Some(generation));
    }

    /// A list that is of this sequence or a later one is not older than [`LIST_AGE`].
    pub(crate) fn sequence_of_lists(&self) -> u64 {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |(at, _): &&(Instant, u64)| at.elapsed() >= LIST_AGE;
        noted.iter().take_while(is_old).last().map_or(0, |(_, sequence)| *sequence)
    }

    /// The sequence up to which floors are raised.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
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
        if tokio::time::timeout(LOOK_BELIEVED_FOR, reached).await.is_err() {
            self.tell(sequence);
        }
    }

    /// Ends the follower's pause.
    fn look_now(&self) {
        if let Some(bell) = self.bell.get() {
            bell.call();
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

    /// Whoever follows waits for this bell.
    pub(crate) fn follow_with(&self, bell: Arc<Bell>) {
        let _ = self.bell.set(bell);
    }

    /// Nothing is known of what came before `sequence`: what was read before it is not believed.
    pub(crate) fn begin_at(&self, sequence: u64) {
        self.floors.raise_all(sequence);
    }

    /// The first of the three: these documents changed. Returns whose waiters to wake at the end.
    pub(crate) fn raise(&self, changes: &[Change]) -> Vec<waiters::Waiter> {
        for change in changes {
            if let Some(key) = &change.of {
                self.floors.raise(key, change.sequence);
            }
        }
        self.waiters.of(changes.iter().filter_map(|change| change.command_id))
    }

    /// Nothing is known of what happened up to `sequence`: whatever is in memory may be out of date, and whoever waits
    /// has to look.
    pub(crate) fn raise_all(&self, sequence: u64) -> Vec<waiters::Waiter> {
        self.begin_at(sequence);
        self.waiters.all()
    }

    /// As [`Self::raise`], of what the projector announced.
    pub(crate) fn raise_announced(&self, heard: &Announcement) -> Vec<waiters::Waiter> {
        let items = heard.items.iter().map(|&id| AggregateId::Item(id));
        let reservations = heard.reservations.iter().map(|&id| AggregateId::Reservation(id));
        let stores = heard.stores.iter().cloned().map(AggregateId::Store);
        for key in items.chain(reservations).chain(stores) {
            self.floors.raise(&key, heard.sequence);
        }
        self.waiters.of(heard.commands.iter().copied())
    }

    /// The second and the third.
    pub(crate) fn publish(&self, applied: Applied, woken: &[waiters::Waiter]) {
        self.send(applied);
        self.looked();
        wake(woken);
    }

    /// As [`Self::publish`], by somebody who cannot say that it is up to date.
    pub(crate) fn publish_quietly(&self, applied: Applied, woken: &[waiters::Waiter]) {
        self.send(applied);
        self.reached();
        wake(woken);
    }

    fn send(&self, applied: Applied) {
        metrics::gauge!("inventory_follower_sequence").set(as_gauge(applied.sequence));
        self.sequence.store(applied.sequence, Ordering::Release);
        self.applied.send_replace(applied);
    }

    /// Whether what is followed has itself fallen behind the journal.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Acquire)
    }

    /// What is followed has fallen behind, or has caught up.
    pub(crate) fn set_behind(&self, is_behind: bool) {
        self.is_behind.store(is_behind, Ordering::Release);
    }

    /// A look was completed: nothing is missing up to now.
    pub(crate) fn looked(&self) {
        self.looked_at.store(self.now(), Ordering::Release);
        self.reached();
        self.note();
    }

    /// What is followed answers, though it may not be up to date.
    pub(crate) fn reached(&self) {
        self.is_reachable.store(true, Ordering::Release);
    }

    fn note(&self) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.back().is_some_and(|(at, _)| at.elapsed() < NOTE_EVERY) {
            return;
        }
        while noted.get(1).is_some_and(|(at, _)| at.elapsed() >= LIST_AGE) {
            noted.pop_front();
        }
        noted.push_back((Instant::now(), self.sequence()));
    }

    /// What is followed could not be read.
    pub(crate) fn lost(&self) {
        self.is_reachable.store(false, Ordering::Release);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn wake(waiters: &[waiters::Waiter]) {
    for waiter in waiters {
        waiter.notify_waiters();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; exact up to 2^53 entries")]
fn as_gauge(sequence: u64) -> f64 {
    sequence as f64
}
