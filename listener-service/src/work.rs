//! The active listener at work: take a batch, bring it to its end whatever happens, tell of it.
//!
//! Three kinds of failure have three ends: a fault of the database is waited out, for ever; a fault of one command is
//! tried again alone and then buried; another writer ends this one.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fail::fail_point;
use shared::http::health::Condition;
use shared::lifecycle::Shutdown;

use crate::clock::TimeSource;
use crate::config::WriterOptions;
use crate::consumer::{Consumer, Signals};
use crate::dead_letter::Reason;
use crate::incoming::Incoming;
use crate::intake::Intake;
use crate::retry::Pauses;
use crate::status::{DATABASE, Status};
use crate::writer::{ApplyError, Committed, Writer};

/// The lease's heartbeat moves at least this often, half of what the design promises.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// The watermark gets a transaction of its own only after so long without a batch.
const WATERMARK_IDLE: Duration = Duration::from_millis(200);
const PURGE_EVERY: Duration = Duration::from_secs(1);
/// Some ten thousand journal entries; commands wait for no longer.
const PURGE_FOR: Duration = Duration::from_millis(50);
/// The longest nap in a pause, so that the heartbeat and a shutdown are noticed.
const NAP: Duration = Duration::from_millis(100);

/// Why the work ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// As asked; the writer is given back to stop.
    #[error("stopped")]
    Stopped,
    /// Another writer has the lease: exit, non-zero.
    #[error("another writer has taken over: {0}")]
    Fenced(&'static str),
    /// The log cannot be read on, or a thread died.
    #[error("{0}")]
    Died(String),
}

/// The loop around the writer, and the threads beside it.
pub struct Work {
    core: Core,
    consumer: Consumer,
    publisher: JoinHandle<()>,
    projector: Option<JoinHandle<()>>,
    followers: Shutdown,
}

/// What is done with the writer, step by step; it knows of no thread.
pub struct Core {
    writer: Writer,
    intake: Arc<Intake>,
    /// Whom to tell how far the writer is.
    consumer: Arc<Signals>,
    status: Arc<Status>,
    settings: WriterOptions,
    shutdown: Shutdown,
    time: TimeSource,
    purged: Instant,
}

/// The threads beside the writer's own.
pub struct Threads {
    /// Who puts messages into the intake.
    pub consumer: Consumer,
    /// Who publishes what came of them.
    pub publisher: JoinHandle<()>,
    /// Who keeps the read model, if there is one.
    pub projector: Option<JoinHandle<()>>,
    /// Tells publisher and projector that the writer has written its last: what it commits while it ends is published, too.
    pub followers: Shutdown,
}

/// What the core is made of.
pub struct Parts {
    /// The holder of the lease.
    pub writer: Writer,
    /// Where messages arrive.
    pub intake: Arc<Intake>,
    /// Whom to tell how far it is.
    pub consumer: Arc<Signals>,
    /// Whom to tell.
    pub status: Arc<Status>,
    /// Bounds.
    pub settings: WriterOptions,
    /// When to end.
    pub shutdown: Shutdown,
}

impl Work {
    /// Ready to begin.
    pub fn new(core: Core, threads: Threads) -> Self {
        let Threads { consumer, publisher, projector, followers } = threads;
        Self { core, consumer, publisher, projector, followers }
    }

    /// Works until told to stop, or until it cannot go on.
    pub fn run(mut self) -> Result<(), Ended> {
        let ended = loop {
            if self.core.shutdown.has_begun() {
                break Ended::Stopped;
            }
            if let Some(reason) = self.consumer.failure() {
                break Ended::Died(reason);
            }
            if self.publisher.is_finished() {
                break Ended::Died("the publisher ended".to_owned());
            }
            if self.projector_panicked() {
                break Ended::Died("the projector panicked".to_owned());
            }
            if let Err(ended) = self.core.step() {
                break ended;
            }
        };
        self.followers.follow();
        self.consumer.stop();
        match ended {
            Ended::Stopped => {
                self.wait_for_followers()?;
                fail_point!("shutdown");
                self.core.stop();
                Ok(())
            }
            Ended::Died(_) => {
                self.core.stop();
                Err(ended)
            }
            Ended::Fenced(_) => Err(ended),
        }
    }

    /// The publisher's last watermark goes into the writer's last transaction, and the lease is kept until then: who
    /// followed sooner would publish the same again.
    fn wait_for_followers(&mut self) -> Result<(), Ended> {
        while !self.publisher.is_finished() || self.projector.as_ref().is_some_and(|thread| !thread.is_finished()) {
            self.core.nap(NAP / 10);
            self.core.beat()?;
        }
        Ok(())
    }

    /// One that ended in order has found another listener's lease, as the writer will.
    fn projector_panicked(&mut self) -> bool {
        self.projector.take_if(|thread| thread.is_finished()).is_some_and(|thread| thread.join().is_err())
    }
}

impl Core {
    /// Ready to begin.
    pub fn new(parts: Parts) -> Self {
        let Parts { writer, intake, consumer, status, settings, shutdown } = parts;
        let time = writer.time().clone();
        let purged = time.instant();
        Self { writer, intake, consumer, status, settings, shutdown, time, purged }
    }

    /// The writer, to look at.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Gives the lease back.
    pub fn stop(self) {
        self.writer.stop();
    }

    /// Keeps the lease while nothing else does.
    fn beat(&mut self) -> Result<(), Ended> {
        if self.writer.untouched_for() >= HEARTBEAT
            && let Err(ApplyError::Fenced(what)) = self.writer.tick()
        {
            return Err(Ended::Fenced(what));
        }
        Ok(())
    }

    /// One batch, or what there is to do without one; then what has expired, so that neither holds up the other.
    pub fn step(&mut self) -> Result<(), Ended> {
        let patience = if self.writer.has_watermark_to_store() { WATERMARK_IDLE } else { HEARTBEAT };
        let patience = patience.saturating_sub(self.writer.untouched_for());
        let patience = self.writer.until_deadline().map_or(patience, |deadline| deadline.min(patience));
        let batch = self.intake.take(self.settings.batch_max, self.time.patience(patience));
        self.status.set_backlog(batch.len() == self.settings.batch_max);
        if batch.is_empty() {
            self.keep_lease()?;
        } else {
            self.settle(&batch)?;
        }
        self.expire()?;
        self.purge()?;
        if let Some(took) = self.writer.checkpoint(self.status.has_backlog()) {
            self.status.checkpointed(took);
        }
        Ok(())
    }

    /// Some of the reservations whose deadline has passed. What cannot be journaled now is tried again: deadlines stay.
    fn expire(&mut self) -> Result<(), Ended> {
        if self.writer.until_deadline().is_none_or(|left| !left.is_zero()) {
            return Ok(());
        }
        match self.writer.expire() {
            Ok(committed) => {
                self.status.tell(DATABASE, Condition::Up, "writing");
                self.status.committed(&committed);
            }
            Err(ApplyError::Fenced(what)) => return Err(Ended::Fenced(what)),
            Err(error) => {
                self.status.tell(DATABASE, Condition::Down, error.to_string());
                self.nap(NAP);
            }
        }
        Ok(())
    }

    /// Every second a bounded part of what is too old, whether there is load or not.
    fn purge(&mut self) -> Result<(), Ended> {
        if self.time.since(self.purged) < PURGE_EVERY {
            return Ok(());
        }
        self.purged = self.time.instant();
        while self.time.since(self.purged) < PURGE_FOR {
            match self.writer.purge() {
                Ok(true) => {}
                Err(ApplyError::Fenced(what)) => return Err(Ended::Fenced(what)),
                // A database at fault is told, and waited for, where commands are applied.
                Ok(false) | Err(ApplyError::Database(_) | ApplyError::Command { .. }) => break,
            }
        }
        Ok(())
    }

    fn keep_lease(&mut self) -> Result<(), Ended> {
        let idle = self.writer.untouched_for();
        let due = idle >= HEARTBEAT || (self.writer.has_watermark_to_store() && idle >= WATERMARK_IDLE);
        if !due {
            return Ok(());
        }
        match self.writer.tick() {
            Ok(()) => {
                self.status.tell(DATABASE, Condition::Up, "writing");
                Ok(())
            }
            Err(ApplyError::Fenced(what)) => Err(Ended::Fenced(what)),
            Err(error) => {
                self.status.tell(DATABASE, Condition::Down, error.to_string());
                self.nap(NAP);
                Ok(())
            }
        }
    }

    /// Brings every message of the batch to its end, in order. Left early only to stop; what is left then is still in
    /// the log, and the position in front of it.
    fn settle(&mut self, batch: &[Incoming]) -> Result<(), Ended> {
        let mut rest = batch;
        while !rest.is_empty() {
            match self.with_database(|writer| writer.apply(rest))? {
                Ok(()) => return Ok(()),
                Err((index, error)) => {
                    let (before, from) = rest.split_at(index);
                    // The ones before it were rolled back with it and are not to blame.
                    self.settle(before)?;
                    self.retry_alone(&from[0], error)?;
                    rest = &from[1..];
                }
            }
        }
        Ok(())
    }

    fn retry_alone(&mut self, message: &Incoming, mut error: String) -> Result<(), Ended> {
        let mut pauses = self.pauses();
        for attempt in 1..=self.settings.max_retries {
            let pause = pauses.next_pause();
            tracing::warn!(
                offset = message.record.offset,
                attempt,
                error,
                pause_ms = pause.as_millis(),
                "trying again"
            );
            self.pause(pause)?;
            match self.with_database(|writer| writer.apply(std::slice::from_ref(message)))? {
                Ok(()) => return Ok(()),
                Err((_, again)) => error = again,
            }
        }
        let reason = Reason::RetriesExhausted { attempts: self.settings.max_retries + 1, error };
        let mut pauses = self.pauses();
        while let Err((_, error)) = self.with_database(|writer| writer.bury(message, &reason))? {
            // A dead letter that cannot be stored says that the database is at fault after all.
            self.status.tell(DATABASE, Condition::Down, error);
            self.pause(pauses.next_pause())?;
        }
        Ok(())
    }

    /// Runs `apply` until the database lets it: committed, or the command at fault.
    fn with_database(
        &mut self,
        mut apply: impl FnMut(&mut Writer) -> Result<Committed, ApplyError>,
    ) -> Result<Result<(), (usize, String)>, Ended> {
        let mut pauses = self.pauses();
        loop {
            match apply(&mut self.writer) {
                Ok(committed) => {
                    self.status.tell(DATABASE, Condition::Up, "writing");
                    self.status.committed(&committed);
                    self.consumer.committed(committed.next_offset);
                    return Ok(Ok(()));
                }
                Err(ApplyError::Command { index, error }) => return Ok(Err((index, error))),
                Err(ApplyError::Fenced(what)) => return Err(Ended::Fenced(what)),
                Err(error @ ApplyError::Database(_)) => {
                    self.status.tell(DATABASE, Condition::Down, error.to_string());
                    self.pause(pauses.next_pause())?;
                }
            }
        }
    }

    /// Waits, outside any transaction, and keeps the lease meanwhile. Deadlines do not wait for a command that is tried
    /// again.
    fn pause(&mut self, pause: Duration) -> Result<(), Ended> {
        let started = self.time.instant();
        while self.time.since(started) < pause {
            if self.shutdown.has_begun() {
                return Err(Ended::Stopped);
            }
            self.nap(NAP.min(pause.saturating_sub(self.time.since(started))));
            self.beat()?;
            self.expire()?;
        }
        Ok(())
    }

    fn pauses(&self) -> Pauses {
        let pauses = Pauses::new(self.settings.retry_delay, self.settings.retry_max_delay);
        if self.time.is_simulated() { pauses.exact() } else { pauses }
    }

    /// The one place where the writer's thread sleeps.
    fn nap(&self, duration: Duration) {
        self.time.nap(duration);
    }
}
