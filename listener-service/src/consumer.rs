//! The consumer's thread: polls the log into the intake, whatever the writer is doing.
//!
//! It makes sure, again and again, that this is still the log that the position belongs to. After any fault of the
//! broker nothing more is handed over before that is known: what comes back may be another cluster, or have forgotten.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kafka::{KafkaError, LogReader, Polled, Record};
use shared::token::LogId;

use crate::clock::TimeSource;
use crate::incoming::Incoming;
use crate::intake::Intake;
use crate::logs::CurrentLog;

const POLL: Duration = Duration::from_millis(100);
/// A log that is exchanged without any fault in between is noticed within this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);
/// Lag tools look every few seconds, and Kafka has to write down each position that it is told.
pub const TELL_EVERY: Duration = Duration::from_secs(1);
/// What may have been fetched before a fault, and waits for the look after it.
const HELD_MAX: usize = 1000;
/// When the writer has taken nothing for so long, it is retrying: stop fetching, keep polling.
const FULL: Duration = Duration::from_millis(500);

/// The log that is read: a topic of the broker, or a simulated one.
pub trait Log {
    /// Why the broker did not answer.
    type Error: Display;

    /// Which log this is, as the broker says now; `None` if it answers without saying.
    fn identity(&self, timeout: Duration) -> Result<Option<LogId>, Self::Error>;

    /// The first offset that the log holds, and the one after its last.
    fn bounds(&self, timeout: Duration) -> Result<(i64, i64), Self::Error>;

    /// The next message, or what there is to say instead.
    fn poll(&self, timeout: Duration) -> Polled;

    /// Stops fetching.
    fn pause(&self) -> Result<(), Self::Error>;

    /// Fetches again, from the first message that was not polled.
    fn resume(&self) -> Result<(), Self::Error>;

    /// Tells lag tools how far we are.
    fn commit(&self, next_offset: i64);
}

impl Log for LogReader {
    type Error = KafkaError;

    fn identity(&self, timeout: Duration) -> Result<Option<LogId>, KafkaError> {
        Self::identity(self, timeout)
    }

    fn bounds(&self, timeout: Duration) -> Result<(i64, i64), KafkaError> {
        Self::bounds(self, timeout)
    }

    fn poll(&self, timeout: Duration) -> Polled {
        Self::poll(self, timeout)
    }

    fn pause(&self) -> Result<(), KafkaError> {
        Self::pause(self)
    }

    fn resume(&self) -> Result<(), KafkaError> {
        Self::resume(self)
    }

    fn commit(&self, next_offset: i64) {
        Self::commit(self, next_offset);
    }
}

/// What the thread is told, and what it found.
#[derive(Debug)]
pub struct Signals {
    /// The next offset to apply, for lag tools; -1 for nothing new.
    committed: AtomicI64,
    stop: AtomicBool,
}

/// What a thread logs belongs to the listener that started it.
pub fn in_current_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = tracing::Span::current();
    move || span.in_scope(work)
}

impl Signals {
    /// Of a consumer that begins.
    #[expect(clippy::new_without_default, reason = "a default would say that there is nothing to know")]
    pub fn new() -> Self {
        Self { committed: AtomicI64::new(-1), stop: AtomicBool::new(false) }
    }

    /// Tells lag tools how far the writer is.
    pub fn committed(&self, next_offset: i64) {
        self.committed.store(next_offset, Ordering::Release);
    }
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Consumer {
    signals: Arc<Signals>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Consumer {
    /// Starts to read from where `reader` is assigned.
    pub fn spawn(reader: LogReader, log: CurrentLog, intake: Arc<Intake>) -> std::io::Result<Self> {
        let signals = Arc::new(Signals::new());
        let told = Arc::clone(&signals);
        let thread = std::thread::Builder::new().name("consumer".to_owned()).spawn(in_current_span(move || {
            let mut consuming = Consuming::new(reader, log, intake, told, TimeSource::Machine);
            let ended = consuming.run();
            close_apart(consuming.reader);
            ended
        }))?;
        Ok(Self { signals, thread: Some(thread) })
    }

    /// Who tells lag tools how far the writer is.
    pub fn signals(&self) -> Arc<Signals> {
        Arc::clone(&self.signals)
    }

    /// Why it ended, if it has: it ends by itself only when it cannot go on.
    pub fn failure(&mut self) -> Option<String> {
        let ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        let thread = self.thread.take_if(|_| ended)?;
        Some(match thread.join() {
            Ok(Err(reason)) => reason,
            Ok(Ok(())) => "the consumer stopped".to_owned(),
            Err(_) => "the consumer panicked".to_owned(),
        })
    }
}

/// Closing waits for commits under way, and those can wait for a coordinator that is not there, most of a minute. There is
/// no group to leave, so nobody has to wait for that: what is cut off by the end of the process is not missed.
fn close_apart(reader: LogReader) {
    let closing = std::thread::Builder::new().name("closing".to_owned()).spawn(move || drop(reader));
    if let Err(error) = closing {
        tracing::debug!(%error, "the consumer was closed in place");
    }
}

impl Consumer {
    /// Ends the thread.
    pub fn stop(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread's own.
pub struct Consuming<L> {
    reader: L,
    /// With the offset after the last that was polled.
    log: CurrentLog,
    intake: Arc<Intake>,
    signals: Arc<Signals>,
    /// Polled and not yet handed over, in order.
    held: VecDeque<Record>,
    time: TimeSource,
    /// When lag tools were told.
    told: Instant,
    looked: Instant,
    /// Whether nothing has happened since the last look that may have changed the log.
    certain: bool,
}

impl<L: Log> Consuming<L> {
    /// Begins where `reader` is assigned.
    pub fn new(reader: L, log: CurrentLog, intake: Arc<Intake>, signals: Arc<Signals>, time: TimeSource) -> Self {
        let now = time.instant();
        Self { reader, log, intake, signals, held: VecDeque::new(), time, told: now, looked: now, certain: true }
    }

    /// What it reads from.
    pub fn reader(&self) -> &L {
        &self.reader
    }

    fn run(&mut self) -> Result<(), String> {
        while !self.is_stopped() {
            self.step()?;
        }
        self.tell_lag_tools();
        Ok(())
    }

    /// Polls, looks at the log if it is time, and hands one message over.
    pub fn step(&mut self) -> Result<(), String> {
        if self.time.since(self.told) >= TELL_EVERY {
            self.tell_lag_tools();
        }
        if self.held.is_empty() {
            self.poll(POLL)?;
        }
        if !self.certain || self.time.since(self.looked) >= LOOK_EVERY {
            self.look()?;
        }
        if self.certain
            && let Some(record) = self.held.pop_front()
        {
            self.hand_over(record)?;
        }
        Ok(())
    }

    fn tell_lag_tools(&mut self) {
        self.told = self.time.instant();
        let committed = self.signals.committed.swap(-1, Ordering::AcqRel);
        if committed >= 0 {
            self.reader.commit(committed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.signals.stop.load(Ordering::Acquire)
    }

    /// Whether there was anything, a fault included.
    fn poll(&mut self, patience: Duration) -> Result<bool, String> {
        match self.reader.poll(patience) {
            Polled::Record(record) => {
                self.log.next_offset = Some(record.offset + 1);
                self.held.push_back(record);
            }
            Polled::Nothing => return Ok(false),
            // Readiness follows the producer, which looks at the broker all the time.
            Polled::Passing(reason) => {
                tracing::debug!(reason, "the log cannot be read now");
                self.certain = false;
            }
            Polled::OutOfRange(reason) => {
                // Which log it is, and what it holds, says more than that the offset is not there.
                self.certain = false;
                while !self.certain && !self.is_stopped() {
                    self.ask()?;
                    self.time.nap(POLL);
                }
                return Err(format!("{reason}: see docs/OPERATIONS.md#position-outside-the-log"));
            }
            Polled::Fatal(reason) => return Err(format!("the consumer cannot go on: {reason}")),
        }
        Ok(true)
    }

    /// Makes certain, if the broker answers. The faults of an outage are many, and those that are polled before need no
    /// look of their own.
    fn look(&mut self) -> Result<(), String> {
        while !self.certain && self.held.len() < HELD_MAX && self.poll(Duration::ZERO)? {}
        self.ask()
    }

    /// Asks the broker which log it has, and from where to where. No answer is no certainty.
    fn ask(&mut self) -> Result<(), String> {
        self.looked = self.time.instant();
        let found = self.reader.identity(LOOK_TIMEOUT).and_then(|id| Ok((id, self.reader.bounds(LOOK_TIMEOUT)?)));
        self.certain = match found {
            Ok((Some(id), bounds)) => {
                self.log.hold_to(&id, bounds).map_err(|error| error.to_string())?;
                true
            }
            Ok((None, _)) => false,
            Err(error) => {
                tracing::debug!(%error, "the log cannot be looked at now");
                false
            }
        };
        Ok(())
    }

    fn hand_over(&mut self, record: Record) -> Result<(), String> {
        let Err(mut message) = self.intake.put(Incoming::read(record), FULL) else { return Ok(()) };
        self.reader.pause().map_err(|error| error.to_string())?;
        while let Err(back) = self.intake.put(message, Duration::ZERO) {
            if self.is_stopped() {
                return Ok(());
            }
            message = back;
            // Polling keeps the client's callbacks served. What it had handed out before the pause is kept, in order.
            self.poll(POLL)?;
        }
        self.reader.resume().map_err(|error| error.to_string())
    }
}
