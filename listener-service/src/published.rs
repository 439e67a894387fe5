//! What the publisher tells the writer: how far it has come, and what the broker refuses.
//!
//! Why a dead letter is not on its topic is stored no later than the watermark that passes over it, in one transaction:
//! else a process that dies in between leaves one that is neither published nor said to be unpublishable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A dead letter that the broker refuses for what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublishable {
    /// Its place in the journal.
    pub sequence: u64,
    /// What the broker said.
    pub reason: String,
}

/// Shared by the publisher and the writer.
#[derive(Debug, Default)]
pub struct Published {
    watermark: AtomicU64,
    /// Told and not stored yet.
    unpublishable: Mutex<Vec<Unpublishable>>,
}

impl Published {
    /// All up to this sequence is on its topic, or was told to be unpublishable.
    pub fn watermark(&self) -> u64 {
        self.watermark.load(Ordering::Acquire)
    }

    /// All up to this sequence is.
    pub fn reach(&self, sequence: u64) {
        self.watermark.store(sequence, Ordering::Release);
    }

    /// It will never be on its topic; told before the watermark passes it.
    pub fn give_up(&self, letter: Unpublishable) {
        self.lock().push(letter);
    }

    /// What is to be stored together: the watermark is read first, so whatever it passes over is among the others.
    pub fn told(&self) -> (u64, Vec<Unpublishable>) {
        let watermark = self.watermark();
        (watermark, self.lock().clone())
    }

    /// The first so many of what was told are stored.
    pub fn stored(&self, count: usize) {
        self.lock().drain(..count);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Unpublishable>> {
        self.unpublishable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
