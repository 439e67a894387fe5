//! The writer: one thread, one write connection, one transaction a batch.
//!
//! State, journal, outcomes and position commit together, under a lease and a position that must still be its own.
//! So a crash loses nothing and applies nothing twice, and of two writers only one can commit.

mod batch;
mod checkpoint;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kafka::Record;
use rusqlite::Connection;
use shared::clock::Timestamp;

use crate::aggregates::Aggregates;
use crate::clock::WriterClock;
use crate::database::{DatabaseError, is_about_the_data};
use crate::dead_letter::Reason;
use crate::lease::Lease;
use crate::logs::{self, CurrentLog};
use batch::{Batch, Counts, Failure};
use checkpoint::Checkpoints;

/// How often a batch whose reading was stale is read and decided again. With one writer once is enough.
const STALE_ATTEMPTS: u32 = 5;

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
    /// The publisher's watermark; it rides on the next batch.
    pub published: Arc<AtomicU64>,
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
        surroundings.published.store(published_stored, Ordering::Release);
        Ok(Self {
            checkpoints: Checkpoints::of(&connection),
            clock: WriterClock::start(last_time),
            connection,
            lease,
            log,
            surroundings,
            aggregates: Aggregates::default(),
            sequence,
            published_stored,
            touched: Instant::now(),
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
    pub fn apply(&mut self, records: &[Record]) -> Result<Committed, ApplyError> {
        self.settle(records, None)
    }

    /// Keeps one message as a dead letter and goes on behind it.
    pub fn bury(&mut self, record: &Record, reason: &Reason) -> Result<Committed, ApplyError> {
        self.settle(std::slice::from_ref(record), Some(reason))
    }

    fn settle(&mut self, records: &[Record], verdict: Option<&Reason>) -> Result<Committed, ApplyError> {
        let position = self.log.next_offset.unwrap_or(0);
        let applied_before = records.iter().take_while(|record| record.offset < position).count();
        let records = &records[applied_before..];
        let mut attempt = 1;
        loop {
            match self.transact(records, verdict) {
                Ok(committed) => return Ok(committed),
                Err(Failure::Stale(_)) if attempt < STALE_ATTEMPTS => attempt += 1,
                Err(Failure::Stale(index)) => {
                    let error = format!("what was read was stale {STALE_ATTEMPTS} times");
                    return Err(ApplyError::Command { index: applied_before + index, error });
                }
                Err(Failure::Unexpected(index, error)) => {
                    return Err(ApplyError::Command { index: applied_before + index, error });
                }
                Err(Failure::Database(error)) => return Err(ApplyError::Database(error.into())),
                Err(Failure::Fenced(what)) => return Err(ApplyError::Fenced(what)),
            }
        }
    }

    fn transact(&mut self, records: &[Record], verdict: Option<&Reason>) -> Result<Committed, Failure> {
        let started = Instant::now();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = self.fill(records, verdict).and_then(|filled| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(filled)
        });
        let (sequence, counts, published) = outcome.inspect_err(|_| self.roll_back())?;
        if let Some(last) = records.last() {
            self.log.next_offset = Some(last.offset + 1);
        }
        self.sequence = sequence;
        self.published_stored = published;
        self.touched = Instant::now();
        let took = started.elapsed();
        let next_offset = self.log.next_offset.unwrap_or(0);
        Ok(Committed { sequence, next_offset, messages: records.len(), counts, took })
    }

    /// Everything between BEGIN and COMMIT. A panic is a fault of the command at which it happened.
    fn fill(&mut self, records: &[Record], verdict: Option<&Reason>) -> Result<(u64, Counts, u64), Failure> {
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
        };
        for (index, record) in records.iter().enumerate() {
            std::panic::catch_unwind(AssertUnwindSafe(|| batch.process(record, verdict)))
                .unwrap_or_else(|panic| Err(batch::ProcessError::Unexpected(panic_text(&*panic))))
                .map_err(|error| error.at(index))?;
        }
        let (sequence, counts) = (batch.sequence, batch.counts);
        if let Some(last) = records.last()
            && !logs::advance(&self.connection, &self.log, last.offset + 1)?
        {
            return Err(Failure::Fenced("the position was moved by somebody else"));
        }
        let published = self.surroundings.published.load(Ordering::Acquire);
        counts.store(&self.connection, published, now)?;
        Ok((sequence, counts, published))
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

    /// The time since the lease was last moved.
    pub fn untouched_for(&self) -> Duration {
        self.touched.elapsed()
    }

    /// Whether the publisher has come further than the database knows.
    pub fn has_watermark_to_store(&self) -> bool {
        self.surroundings.published.load(Ordering::Acquire) > self.published_stored
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
    /// log only grows. Returns how long it took, if it was time.
    pub fn checkpoint(&mut self) -> Option<Duration> {
        self.checkpoints.run(&self.connection)
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
