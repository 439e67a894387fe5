//! What the listener tells of itself: to its followers, to operators, to the load balancer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::health::{Condition, Readiness};
use tokio::sync::watch;
use uuid::Uuid;

use crate::published::Published;
use crate::writer::Committed;

/// The dependency "the database file".
pub const DATABASE: &str = "database";
/// The dependency "the broker".
pub const BROKER: &str = "broker";
/// The dependency "the lease".
pub const LEASE: &str = "lease";

/// Whether this listener writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It holds the lease.
    Active,
    /// It waits for the lease, or for what it needs to take it.
    Standby,
}

/// The last batch that was committed.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastBatch {
    /// How many messages it had.
    #[schema(example = 12)]
    pub messages: usize,
    /// From BEGIN to after COMMIT, in microseconds.
    #[schema(example = 850)]
    pub took_micros: u128,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:00:00.000Z")]
    pub committed_at: Timestamp,
}

/// The read model in Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadModel {
    /// The last journal entry that is in it; 0 while it is not known to be whole.
    #[schema(example = 42)]
    pub sequence: u64,
    /// New each time that it is filled; null while none is known.
    pub generation: Option<Uuid>,
    /// Whether readers can use it.
    #[schema(example = true)]
    pub is_whole: bool,
}

impl ReadModel {
    /// One of which this is known.
    pub const fn new(generation: Uuid, sequence: u64, is_whole: bool) -> Self {
        Self { sequence, generation: Some(generation), is_whole }
    }
}

/// Shared by the threads of one listener.
#[derive(Debug)]
pub struct Status {
    readiness: Readiness,
    role: Mutex<(Role, i64)>,
    last_batch: Mutex<Option<LastBatch>>,
    next_offset: watch::Sender<i64>,
    sequence: watch::Sender<u64>,
    has_backlog: AtomicBool,
    last_checkpoint_micros: AtomicU64,
    read_model: Mutex<Option<ReadModel>>,
    /// How far the publisher is.
    pub published: Arc<Published>,
}

impl Status {
    /// Of a listener that has done nothing yet.
    pub fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            role: Mutex::new((Role::Standby, 0)),
            last_batch: Mutex::new(None),
            next_offset: watch::channel(0).0,
            sequence: watch::channel(0).0,
            has_backlog: AtomicBool::new(false),
            last_checkpoint_micros: AtomicU64::new(0),
            read_model: Mutex::default(),
            published: Arc::default(),
        }
    }

    /// Tells how a dependency is.
    pub fn tell(&self, name: &'static str, condition: Condition, detail: impl Into<String>) {
        self.readiness.tell(name, condition, detail);
    }

    /// Whether it writes, and under which epoch.
    pub fn role(&self) -> (Role, i64) {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has the lease, or has it no more.
    pub fn set_role(&self, role: Role, epoch: i64) {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner) = (role, epoch);
    }

    /// The last batch.
    pub fn last_batch(&self) -> Option<LastBatch> {
        *self.last_batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next offset to apply, as it moves. Whoever waits for a write to be durable waits for this.
    pub fn next_offset(&self) -> watch::Receiver<i64> {
        self.next_offset.subscribe()
    }

    /// The last journal sequence, as it moves.
    pub fn sequence(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    /// Where the writer begins.
    pub fn begun(&self, sequence: u64, next_offset: Option<i64>) {
        self.next_offset.send_replace(next_offset.unwrap_or(0));
        self.sequence.send_replace(sequence);
    }

    /// Whether more waits for the writer than it takes at once.
    pub fn has_backlog(&self) -> bool {
        self.has_backlog.load(Ordering::Relaxed)
    }

    /// More waits for the writer than it takes at once, or does not any more.
    pub fn set_backlog(&self, has_backlog: bool) {
        self.has_backlog.store(has_backlog, Ordering::Relaxed);
    }

    /// A batch is durable.
    pub fn committed(&self, committed: &Committed) {
        self.next_offset.send_replace(committed.next_offset);
        self.sequence.send_replace(committed.sequence);
        metrics::counter!("inventory_reservations_expired_total").increment(committed.counts.expired);
        let sequence = u32::try_from(committed.sequence % u64::from(u32::MAX)).unwrap_or(0);
        metrics::gauge!("inventory_journal_sequence").set(f64::from(sequence));
        if committed.messages == 0 {
            return;
        }
        *self.last_batch.lock().unwrap_or_else(PoisonError::into_inner) = Some(LastBatch {
            messages: committed.messages,
            took_micros: committed.took.as_micros(),
            committed_at: Timestamp::wall_clock(),
        });
        let counts = committed.counts;
        for (status, count) in [
            ("applied", counts.applied),
            ("rejected", counts.rejected),
            ("dead_lettered", counts.dead_lettered),
            ("repeated", counts.repeated),
        ] {
            metrics::counter!("inventory_commands_total", "outcome" => status).increment(count);
        }
        metrics::histogram!("inventory_batch_seconds").record(committed.took.as_secs_f64());
        metrics::counter!("inventory_batches_total").increment(1);
    }

    /// A checkpoint took so long.
    pub fn checkpointed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.last_checkpoint_micros.store(micros, Ordering::Relaxed);
        metrics::histogram!("inventory_checkpoint_seconds").record(took.as_secs_f64());
    }

    /// How long the last checkpoint took, if there was one.
    pub fn last_checkpoint(&self) -> Option<Duration> {
        let micros = self.last_checkpoint_micros.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// How the read model is; none if this listener does not project.
    pub fn projected(&self, model: Option<ReadModel>) {
        *self.read_model.lock().unwrap_or_else(PoisonError::into_inner) = model;
    }

    /// What the projector said last.
    pub fn read_model(&self) -> Option<ReadModel> {
        *self.read_model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The publisher's watermark.
    pub fn published(&self) -> u64 {
        self.published.watermark()
    }
}
