//! The producer: idempotent, `acks=all`, and honest about what it does not know.
//!
//! A send is refused only while nothing was enqueued. From then on the message may be written long after its sender
//! gave up, so all that can be said of one without a report is "unknown".
//!
//! It has a client of librdkafka's that sends each message at once or, if it is [unhurried](Producer::unhurried), keeps each for
//! some milliseconds, so that others go with it. [For groups](Producer::for_groups) it has two more, which keep messages until
//! their [group](Group) is whole.

mod client;
mod group;
mod in_flight;

use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::connection::{Connection, KafkaError};
use crate::record::Header;
use shared::token::LogId;

use client::{Client, Pace, Shared};
pub use group::{Group, Prepared};
pub use in_flight::Delivery;

/// Once the oldest message has waited this long for its report, further ones are refused.
pub const STALLED_AFTER: Duration = Duration::from_secs(1);
/// So many groups can be on their way beside each other.
pub const GROUPS_OUT: usize = 2;
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is known of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// It answers, and has the topic.
    Up,
    /// It does not, for this reason.
    Down(String),
}

/// Refused before anything was enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEnqueued {
    /// The broker is known to be down.
    #[error("the broker cannot be reached: {0}")]
    BrokerDown(String),
    /// The oldest message has had no report for too long.
    #[error("the broker has not acknowledged a message for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The producer's queue is full.
    #[error("the queue to the broker is full")]
    QueueFull,
    /// This message cannot be sent: it is too large.
    #[error("the message cannot be sent: {0}")]
    Refused(String),
}

/// Enqueued, and then no success was reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFailure {
    /// It may be in the log or not.
    #[error("the broker did not acknowledge the message: {0}")]
    Unknown(String),
    /// The broker refuses this message for what it is, and will again.
    #[error("the broker refused the message: {0}")]
    Refused(String),
}

/// How long a producer tries to deliver what was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For half a minute; whoever asked has given up by then.
    Short,
    /// For ever, so that nothing is overtaken: what follows a message that was given up would stand before its
    /// second sending.
    Endless,
}

/// A message to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Decides the partition (murmur2, as Java's clients do); none is any partition.
    pub key: Option<&'a [u8]>,
    /// None is a tombstone.
    pub value: Option<&'a [u8]>,
    /// In their order.
    pub headers: &'a [Header],
}

/// What became of a message: its offset on the log. A repetition that the broker knew already is reported without.
pub type Report = Result<Option<i64>, DeliveryFailure>;

/// Clones share the clients.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    first: Client,
    /// Large groups go by these in turn, past one that has a group already.
    for_groups: Vec<ForGroups>,
    turn: AtomicUsize,
    embedded_log: Option<LogId>,
    /// Dropped with the last clone, which ends the thread that looks after the broker.
    _stop_looking: mpsc::Sender<()>,
}

/// A client that takes one large group after another.
struct ForGroups {
    client: Client,
    /// Those that it has taken and that are not over yet.
    groups: AtomicUsize,
}

impl Producer {
    /// Makes the client; the broker need not be there yet. `topic` is the one whose presence makes it ready.
    pub fn open(connection: &Connection, topic: &str, patience: Patience) -> Result<Self, KafkaError> {
        Self::with(connection, topic, patience, Pace::AtOnce, 0)
    }

    /// The same for who sends [groups](Self::group), of which up to [`GROUPS_OUT`] are without reports.
    pub fn for_groups(connection: &Connection, topic: &str, patience: Patience) -> Result<Self, KafkaError> {
        Self::with(connection, topic, patience, Pace::AtOnce, GROUPS_OUT)
    }

    /// The same for who sends hundreds of messages and waits for all of them: each waits up to 5 ms for others.
    pub fn unhurried(connection: &Connection, topic: &str, patience: Patience) -> Result<Self, KafkaError> {
        Self::with(connection, topic, patience, Pace::Unhurried, 0)
    }

    fn with(
        connection: &Connection,
        topic: &str,
        patience: Patience,
        first: Pace,
        groups_out: usize,
    ) -> Result<Self, KafkaError> {
        let shared = Arc::new(Shared::new());
        let client = |pace| Client::open(connection, patience, pace, &shared);
        let (stop, stopped) = mpsc::channel();
        let inner = Inner {
            first: client(first)?,
            for_groups: (0..groups_out).map(|_| client(Pace::Grouped).map(ForGroups::new)).collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
            shared: Arc::clone(&shared),
            embedded_log: connection.embedded_log().cloned(),
            _stop_looking: stop,
        };
        let producer = Self { inner: Arc::new(inner) };
        producer.look_after(topic.to_owned(), stopped)?;
        Ok(producer)
    }

    /// What is known of the broker, as it changes.
    pub fn state(&self) -> watch::Receiver<BrokerState> {
        self.inner.shared.state.subscribe()
    }

    /// Whether a message would be refused now, whatever it is.
    pub fn accepts(&self) -> Result<(), NotEnqueued> {
        let shared = &self.inner.shared;
        if let BrokerState::Down(reason) = &*shared.state.borrow() {
            return Err(NotEnqueued::BrokerDown(reason.clone()));
        }
        match shared.unacknowledged().oldest().map(|since| since.elapsed()) {
            Some(waiting) if waiting > STALLED_AFTER => Err(NotEnqueued::Stalled(waiting)),
            _ => Ok(()),
        }
    }

    /// Enqueues one message. With `Err` nothing was enqueued.
    pub fn send(&self, message: Outgoing<'_>) -> Result<Delivery, NotEnqueued> {
        self.accepts()?;
        let (reporter, delivery) = Delivery::to_come();
        let headers = message.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
        let Outgoing { topic, key, value, .. } = message;
        self.inner.first.enqueue(topic, key, value, group::native(headers), reporter).map(|()| delivery)
    }

    /// For so many messages that are to be sent one behind another, with one wait for all of them.
    pub fn group(&self, messages: usize) -> Group {
        Group::of(self.clone(), messages)
    }

    /// Waits for the report, without a bound of its own.
    pub async fn delivered(&self, delivery: Delivery) -> Result<(), DeliveryFailure> {
        delivery.reported().await.map(drop)
    }

    /// The offset of the last message of the commands' topic, which has one partition. What is reported without an offset is
    /// not behind it.
    pub async fn last_offset(&self, topic: &str) -> Result<i64, DeliveryFailure> {
        let (inner, topic) = (Arc::clone(&self.inner), topic.to_owned());
        match tokio::task::spawn_blocking(move || inner.first.end(&topic)).await {
            Ok(Ok(end)) => Ok(end - 1),
            Ok(Err(error)) => Err(DeliveryFailure::Unknown(error.to_string())),
            Err(error) => Err(DeliveryFailure::Unknown(error.to_string())),
        }
    }

    /// The log that the broker holds, as soon as it is known; blocks up to `timeout`.
    pub fn log_id(&self, timeout: Duration) -> Option<LogId> {
        let embedded = self.inner.embedded_log.clone();
        embedded.or_else(|| self.inner.first.cluster_id(timeout).map(|id| LogId::cluster(&id)))
    }

    /// Whether the broker has given the first client its producer id; those for groups ask for theirs at the same time. A
    /// message that is sent before waits for it, half a second after a start.
    pub fn is_warm(&self) -> bool {
        self.inner.shared.is_warm()
    }

    /// Why this client cannot go on, if it cannot: only a new one can.
    pub fn fatal_error(&self) -> Option<String> {
        self.inner.fatal_error()
    }

    /// Waits until everything enqueued has its report, at most `timeout`; blocks.
    pub fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        for client in self.inner.clients() {
            client.flush(deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// A thread looks whether the broker is there: a producer alone notices only when it has something to send.
    fn look_after(&self, topic: String, stopped: mpsc::Receiver<()>) -> Result<(), KafkaError> {
        let weak = Arc::downgrade(&self.inner);
        let looking = move || {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                let state = inner.look(&topic);
                let pause = if state == BrokerState::Up { LOOK_EVERY } else { LOOK_AGAIN };
                inner.shared.tell(state);
                drop(inner);
                if !matches!(stopped.recv_timeout(pause), Err(mpsc::RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("kafka-look".to_owned()).spawn(looking).map(drop).map_err(KafkaError::Thread)
    }
}

impl ForGroups {
    const fn new(client: Client) -> Self {
        Self { client, groups: AtomicUsize::new(0) }
    }
}

impl Inner {
    fn clients(&self) -> impl Iterator<Item = &Client> {
        iter::once(&self.first).chain(self.for_groups.iter().map(|one| &one.client))
    }

    /// Who takes the next large group, if there is anybody for groups. Whose turn it is has had the longest rest: right after
    /// a group the client's threads are not done with it.
    fn next_for_groups(&self) -> Option<usize> {
        let (turn, clients) = (self.turn.fetch_add(1, Ordering::Relaxed), self.for_groups.len());
        let in_turn = (0..clients).map(|later| turn.wrapping_add(later) % clients);
        in_turn.min_by_key(|&by| self.for_groups[by].groups.load(Ordering::Relaxed))
    }

    fn fatal_error(&self) -> Option<String> {
        self.clients().find_map(Client::fatal_error)
    }

    fn look(&self, topic: &str) -> BrokerState {
        let reason = self.fatal_error().or_else(|| self.clients().find_map(|client| client.trouble(topic)));
        reason.map_or(BrokerState::Up, BrokerState::Down)
    }
}
