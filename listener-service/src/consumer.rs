//! The consumer's thread: polls the log into the intake, whatever the writer is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::intake::Intake;
use kafka::{LogReader, Polled, Record};

const POLL: Duration = Duration::from_millis(100);
/// When the writer has taken nothing for so long, it is retrying: stop fetching, keep polling.
const FULL: Duration = Duration::from_millis(500);

/// What the thread is told, and what it found.
#[derive(Debug, Default)]
pub struct Signals {
    /// The next offset to apply, for lag tools; -1 for nothing new.
    pub committed: AtomicI64,
    stop: AtomicBool,
}

/// What a thread logs belongs to the listener that started it.
pub fn in_current_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = tracing::Span::current();
    move || span.in_scope(work)
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Consumer {
    signals: Arc<Signals>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Consumer {
    /// Starts to read from where `reader` is assigned.
    pub fn spawn(reader: LogReader, intake: Arc<Intake>) -> std::io::Result<Self> {
        let signals = Arc::new(Signals { committed: AtomicI64::new(-1), stop: AtomicBool::new(false) });
        let told = Arc::clone(&signals);
        let thread = std::thread::Builder::new()
            .name("consumer".to_owned())
            .spawn(in_current_span(move || consume(&reader, &intake, &told)))?;
        Ok(Self { signals, thread: Some(thread) })
    }

    /// Tells lag tools how far the writer is.
    pub fn committed(&self, next_offset: i64) {
        self.signals.committed.store(next_offset, Ordering::Release);
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

fn consume(reader: &LogReader, intake: &Intake, signals: &Signals) -> Result<(), String> {
    while !signals.stop.load(Ordering::Acquire) {
        let committed = signals.committed.swap(-1, Ordering::AcqRel);
        if committed >= 0 {
            reader.commit(committed);
        }
        if let Some(record) = next(reader)? {
            hand_over(reader, intake, signals, record)?;
        }
    }
    Ok(())
}

fn next(reader: &LogReader) -> Result<Option<Record>, String> {
    match reader.poll(POLL) {
        Polled::Record(record) => Ok(Some(record)),
        Polled::Nothing => Ok(None),
        // Readiness follows the producer, which looks at the broker all the time.
        Polled::Passing(reason) => {
            tracing::debug!(reason, "the log cannot be read now");
            Ok(None)
        }
        Polled::OutOfRange(reason) => Err(format!("{reason}: see docs/OPERATIONS.md#position-outside-the-log")),
        Polled::Fatal(reason) => Err(format!("the consumer cannot go on: {reason}")),
    }
}

fn hand_over(reader: &LogReader, intake: &Intake, signals: &Signals, record: Record) -> Result<(), String> {
    let Err(mut record) = intake.put(record, FULL) else { return Ok(()) };
    reader.pause().map_err(|error| error.to_string())?;
    let mut ahead = Vec::new();
    loop {
        match intake.put(record, Duration::ZERO) {
            Ok(()) => break,
            Err(back) => record = back,
        }
        if signals.stop.load(Ordering::Acquire) {
            return Ok(());
        }
        // Polling keeps the client's callbacks served. What it had handed out before the pause is kept, in order.
        ahead.extend(next(reader)?);
    }
    for record in ahead {
        let mut record = record;
        while let Err(back) = intake.put(record, POLL) {
            if signals.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            record = back;
        }
    }
    reader.resume().map_err(|error| error.to_string())
}
