//! The writer: one thread, one write connection, one transaction a batch.
//!
//! State, journal, outcomes and position commit together, under a lease and a position that must still be its own.
//! So a crash loses nothing and applies nothing twice, and of two writers only one can commit.

mod batch;
mod cause;
mod checkpoint;
mod scene;
mod value;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fail::fail_point;
use rusqlite::Connection;
use shared::clock::Timestamp;

use crate::aggregates::Aggregates;
use crate::clock::{TimeSource, WriterClock};
use crate::database::{DatabaseError, is_about_the_data};
use crate::dead_letter::{self, Reason};
use crate::incoming::Incoming;
use crate::lease::Lease;
use crate::logs::{self, CurrentLog};
use crate::published::Published;
use crate::reservations::{self, Due};
use batch::{Batch, Counts, Failure};
use checkpoint::Checkpoints;
use value::ValueChanges;

/// How often a batch whose reading was stale is read and decided again. With one writer once is enough.
const STALE_ATTEMPTS: u32 = 5;
/// Reservations with so many lines expire in one transaction, some 40 ms: commands wait for no longer.
const EXPIRE_AT_ONCE: usize = 500;
/// How long one that cannot expire waits until it is tried again; the others need not wait for it.
const ASIDE_FOR_MILLIS: i64 = 10_000;

/// Why a batch was not committed; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The lease or the position is another writer's: this one must stop.
    #[error("another writer has taken over: {0}")]
    Fenced(&'static str),
    /// The database or the disk: no command is to blame.
    #[error(transparent)]
    Database(DatabaseError),
    /// One command failed in a way that nobody foresaw.
    #[error("command {index} of the batch: {error}")]
    Command {
        /// Its place in the batch.
        index: usize,
        /// What happened.
        error: String,
    },
}

/// What a commit moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The last journal sequence.
    pub sequence: u64,
    /// The next offset to apply.
    pub next_offset: i64,
    /// How many messages the batch had.
    pub messages: usize,
    /// How the commands among them ended.
    pub counts: Counts,
    /// From BEGIN to after COMMIT.
    pub took: Duration,
}

/// What the writer needs besides its connection.
#[derive(Debug)]
pub struct Surroundings {
    /// The name of the commands' topic, for dead letters.
    pub topic: String,
    /// How long outcomes are kept.
    pub retention: Duration,
    /// How far the publisher is; it rides on the next batch.
    pub published: Arc<Published>,
    /// Where deadlines and pauses are measured.
    pub time: TimeSource,
}

/// The holder of the lease, at work.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    lease: Lease,
    log: CurrentLog,
    surroundings: Surroundings,
    clock: WriterClock,
    aggregates: Aggregates,
    sequence: u64,
    published_stored: u64,
    checkpoints: Checkpoints,
    touched: Instant,
    /// No pending reservation has a deadline before this, but for those that are aside.
    next_deadline: Option<Timestamp>,
    /// Reservations that could not expire, by number, and when they are tried again.
    aside: HashMap<i64, Timestamp>,
    /// The last COMMIT said that it failed. It may have been done all the same.
    is_uncertain: bool,
}

/// What one transaction does.
#[derive(Debug, Clone, Copy)]
enum Job<'a> {
    /// Decides these messages; with a verdict, keeps them as dead letters.
    Messages(&'a [Incoming], Option<&'a Reason>),
    /// Lets these reservations expire; their deadlines have passed.
    Expiries(&'a [Due]),
}

/// What a job that was done leaves to remember.
#[derive(Debug)]
struct Filled {
    sequence: u64,
    counts: Counts,
    published: u64,
    /// How many dead letters it was noted of that they cannot be published.
    unpublishable: usize,
    next_deadline: Option<Timestamp>,
}

impl Writer {
    /// Goes on where the database says.
    pub fn start(
        connection: Connection,
        lease: Lease,
        log: CurrentLog,
        surroundings: Surroundings,
    ) -> rusqlite::Result<Self> {
        let sequence = crate::journal::last_sequence(&connection)?;
        let (last_time, published_stored) =
            connection.query_row("SELECT last_time, published FROM progress", [], |row| {
                Ok((Timestamp::from_millis(row.get(0)?), row.get(1)?))
            })?;
        surroundings.published.reach(published_stored);
        let next_deadline = reservations::next_deadline(&connection, |_| false)?;
        Ok(Self {
            checkpoints: Checkpoints::of(&connection, surroundings.time.clone()),
            clock: WriterClock::start(last_time, surroundings.time.clone()),
            connection,
            lease,
            log,
            touched: surroundings.time.instant(),
            surroundings,
            aggregates: Aggregates::default(),
            sequence,
            published_stored,
            next_deadline,
            aside: HashMap::new(),
            is_uncertain: false,
        })
    }

    /// The log that is consumed, and how far.
    pub fn log(&self) -> &CurrentLog {
        &self.log
    }

    /// The last journal sequence.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The write connection, for what is not part of a batch.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Decides and stores a batch, all of it or nothing. Messages below the position were applied before and are
    /// passed over.
    pub fn apply(&mut self, messages: &[Incoming]) -> Result<Committed, ApplyError> {
        fail_point!("writer-begin");
        let committed = self.settle(messages, None)?;
        fail_point!("writer-committed");
        Ok(committed)
    }

    /// Keeps one message as a dead letter and goes on behind it.
    pub fn bury(&mut self, message: &Incoming, reason: &Reason) -> Result<Committed, ApplyError> {
        self.settle(std::slice::from_ref(message), Some(reason))
    }

    fn settle(&mut self, messages: &[Incoming], verdict: Option<&Reason>) -> Result<Committed, ApplyError> {
        self.make_certain()?;
        let position = self.log.next_offset.unwrap_or(0);
        let applied_before = messages.iter().take_while(|message| message.record.offset < position).count();
        let messages = &messages[applied_before..];
        self.transact_afresh(Job::Messages(messages, verdict)).map_err(|error| error.behind(applied_before))
    }

    /// After a COMMIT that said that it failed, the database says how far it is. If somebody else has written meanwhile, the
    /// lease says so in the next transaction.
    fn make_certain(&mut self) -> Result<(), ApplyError> {
        if self.is_uncertain {
            self.read_again().map_err(|error| ApplyError::Database(error.into()))?;
            self.is_uncertain = false;
        }
        Ok(())
    }

    fn read_again(&mut self) -> rusqlite::Result<()> {
        self.log.next_offset = logs::position(&self.connection, &self.log)?;
        self.sequence = crate::journal::last_sequence(&self.connection)?;
        self.published_stored = self.connection.query_row("SELECT published FROM progress", [], |row| row.get(0))?;
        let aside = |number| self.aside.contains_key(&number);
        self.next_deadline = reservations::next_deadline(&self.connection, aside)?;
        Ok(())
    }

    /// Decides again on what is read afresh if what was remembered turns out to be stale.
    fn transact_afresh(&mut self, job: Job<'_>) -> Result<Committed, ApplyError> {
        let mut attempt = 1;
        loop {
            match self.transact(job) {
                Ok(committed) => return Ok(committed),
                Err(Failure::Stale(_)) if attempt < STALE_ATTEMPTS => attempt += 1,
                Err(Failure::Stale(index)) => {
                    let error = format!("what was read was stale {STALE_ATTEMPTS} times");
                    return Err(ApplyError::Command { index, error });
                }
                Err(Failure::Unexpected(index, error)) => return Err(ApplyError::Command { index, error }),
                Err(Failure::Database(error)) => return Err(ApplyError::Database(error.into())),
                Err(Failure::Fenced(what)) => return Err(ApplyError::Fenced(what)),
            }
        }
    }

    fn transact(&mut self, job: Job<'_>) -> Result<Committed, Failure> {
        let started = Instant::now();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = self.fill(job).and_then(|filled| {
            self.is_uncertain = true;
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            self.is_uncertain = false;
            Ok(filled)
        });
        let filled = outcome.inspect_err(|_| self.roll_back())?;
        let messages = job.messages();
        if let Some(last) = messages.last() {
            self.log.next_offset = Some(last.record.offset + 1);
        }
        self.sequence = filled.sequence;
        self.published_stored = filled.published;
        self.surroundings.published.stored(filled.unpublishable);
        self.next_deadline = filled.next_deadline;
        self.touched = self.surroundings.time.instant();
        let took = started.elapsed();
        let next_offset = self.log.next_offset.unwrap_or(0);
        let (sequence, counts) = (filled.sequence, filled.counts);
        Ok(Committed { sequence, next_offset, messages: messages.len(), counts, took })
    }

    /// Everything between BEGIN and COMMIT.
    fn fill(&mut self, job: Job<'_>) -> Result<Filled, Failure> {
        if !self.lease.beat(&self.connection)? {
            return Err(Failure::Fenced("the lease has another epoch"));
        }
        self.aggregates.begin();
        let now = self.clock.now();
        let mut batch = Batch {
            connection: &self.connection,
            aggregates: &mut self.aggregates,
            topic: &self.surroundings.topic,
            log: &self.log,
            now,
            cautious_now: self.clock.cautious_now(),
            retention: self.surroundings.retention,
            sequence: self.sequence,
            counts: Counts::default(),
            value: ValueChanges::default(),
            deadlines: Vec::new(),
        };
        batch.run(job)?;
        let Batch { sequence, counts, value, deadlines, .. } = batch;
        if let Some(last) = job.messages().last()
            && !logs::advance(&self.connection, &self.log, last.record.offset + 1)?
        {
            return Err(Failure::Fenced("the position was moved by somebody else"));
        }
        let (published, unpublishable) = self.surroundings.published.told();
        for letter in &unpublishable {
            dead_letter::note_unpublishable(&self.connection, letter.sequence, &letter.reason)?;
        }
        counts.store(&self.connection, published, now)?;
        value.store(&self.connection)?;
        let next_deadline = match job {
            Job::Messages(..) => deadlines.into_iter().chain(self.next_deadline).min(),
            Job::Expiries(_) => {
                let aside = |number| self.aside.contains_key(&number);
                reservations::next_deadline(&self.connection, aside)?
            }
        };
        Ok(Filled { sequence, counts, published, unpublishable: unpublishable.len(), next_deadline })
    }

    /// How long until a reservation may have to expire; none if none has a deadline.
    pub fn until_deadline(&self) -> Option<Duration> {
        let next = self.next_deadline.iter().chain(self.aside.values()).min()?;
        let millis = next.millis() - self.clock.now().millis();
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// Lets some of the reservations expire whose deadline has passed, in a transaction of its own. Whether there are
    /// more, [`Self::until_deadline`] says. One that cannot expire holds up neither commands nor other reservations.
    pub fn expire(&mut self) -> Result<Committed, ApplyError> {
        self.make_certain()?;
        let now = self.clock.now();
        self.aside.retain(|_, again| *again > now);
        let aside = |number| self.aside.contains_key(&number);
        let mut due = reservations::due(&self.connection, now, EXPIRE_AT_ONCE, aside)
            .map_err(|error| ApplyError::Database(error.into()))?;
        loop {
            match self.transact_afresh(Job::Expiries(&due)) {
                Err(ApplyError::Command { index, error }) => {
                    let Due { number, reservation } = &due[index];
                    let id = reservation.details.reservation_id;
                    tracing::error!(reservation_id = %id, error, "a reservation cannot expire; trying again later");
                    self.aside.insert(*number, now.plus_millis(ASIDE_FOR_MILLIS));
                    // Those behind it come next time, in case they fare no better.
                    due.truncate(index);
                }
                ended => return ended,
            }
        }
    }

    fn roll_back(&mut self) {
        self.aggregates.forget();
        // After a full disk SQLite has rolled back by itself.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    /// Where time comes from.
    pub fn time(&self) -> &TimeSource {
        &self.surroundings.time
    }

    /// The writer's clock now.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time since the lease was last moved.
    pub fn untouched_for(&self) -> Duration {
        self.surroundings.time.since(self.touched)
    }

    /// Whether the publisher has come further than the database knows.
    pub fn has_watermark_to_store(&self) -> bool {
        self.surroundings.published.watermark() > self.published_stored
    }

    /// A transaction of its own for the lease's heartbeat and the watermark.
    pub fn tick(&mut self) -> Result<(), ApplyError> {
        self.settle(&[], None).map(drop)
    }

    /// Forgets some of what is older than the retention, in a transaction of its own. Returns whether there may be more.
    pub fn purge(&mut self) -> Result<bool, ApplyError> {
        let now = self.clock.cautious_now();
        let retention = self.surroundings.retention;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| ApplyError::Database(error.into()))?;
        let purged = self.lease.beat(&self.connection).and_then(|ours| {
            let more = ours && crate::outcomes::purge(&self.connection, now, retention)?;
            self.connection.execute_batch("COMMIT")?;
            Ok((ours, more))
        });
        match purged {
            Ok((true, more)) => Ok(more),
            Ok((false, _)) => Err(ApplyError::Fenced("the lease has another epoch")),
            Err(error) => {
                self.roll_back();
                Err(ApplyError::Database(error.into()))
            }
        }
    }

    /// Copies the write-ahead log into the database when it has grown enough. A failure is tried again later: the
    /// log only grows. It may grow further while there is a backlog. Returns how long it took, if it was time.
    pub fn checkpoint(&mut self, has_backlog: bool) -> Option<Duration> {
        self.checkpoints.run(&self.connection, has_backlog)
    }

    /// Gives the lease back and leaves everything in the database file.
    pub fn stop(mut self) {
        let released = self
            .tick()
            .map_err(|error| error.to_string())
            .and_then(|()| self.lease.release(&self.connection).map_err(|error| error.to_string()));
        match released {
            Ok(()) => Checkpoints::finish(&self.connection),
            Err(error) => tracing::warn!(error, "cannot give the lease back; who follows will wait for its time"),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without words"))
}

impl ApplyError {
    /// Of a batch that has so many more messages in front.
    fn behind(self, before: usize) -> Self {
        match self {
            Self::Command { index, error } => Self::Command { index: before + index, error },
            Self::Fenced(_) | Self::Database(_) => self,
        }
    }
}

impl<'a> Job<'a> {
    fn messages(self) -> &'a [Incoming] {
        match self {
            Self::Messages(messages, _) => messages,
            Self::Expiries(_) => &[],
        }
    }
}

impl Batch<'_> {
    /// A panic is a fault of the command, or the reservation, at which it happened.
    fn run(&mut self, job: Job<'_>) -> Result<(), Failure> {
        match job {
            Job::Messages(messages, verdict) => messages.iter().enumerate().try_for_each(|(index, message)| {
                if index > 0 {
                    fail_point!("writer-between");
                }
                self.guarded(index, |batch| batch.process(message, verdict))
            }),
            Job::Expiries(due) => due
                .iter()
                .enumerate()
                .try_for_each(|(index, due)| self.guarded(index, |batch| batch.expire(&due.reservation))),
        }
    }

    fn guarded(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut Self) -> Result<(), batch::ProcessError>,
    ) -> Result<(), Failure> {
        std::panic::catch_unwind(AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|panic| Err(batch::ProcessError::Unexpected(panic_text(&*panic))))
            .map_err(|error| error.at(index))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl batch::ProcessError {
    fn at(self, index: usize) -> Failure {
        match self {
            Self::Stale => Failure::Stale(index),
            Self::Unexpected(error) => Failure::Unexpected(index, error),
            Self::Sqlite(error) if is_about_the_data(&error) => Failure::Unexpected(index, error.to_string()),
            Self::Sqlite(error) => Failure::Database(error),
        }
    }
}
