//! One client of librdkafka's: its settings, what it tells by itself, and what it is asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::watch;

use super::in_flight::{Reporter, Unacknowledged};
use super::{BrokerState, DeliveryFailure, LOOK_TIMEOUT, NotEnqueued, Patience};
use crate::bootstrap::Bootstrap;
use crate::connection::{Connection, KafkaError};

/// What the clients of one producer share.
pub(super) struct Shared {
    pub(super) state: watch::Sender<BrokerState>,
    unacknowledged: Mutex<Unacknowledged>,
    warm: AtomicBool,
}

/// How long a client keeps a message so that others go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Not at all: many callers share one send while the one before is on its way.
    AtOnce,
    /// Longer than it takes to put some dozens of messages into the queue.
    Grouped,
    /// Longer than it takes to put hundreds of messages into the queue. What is not sent within this time waits for the
    /// answer to what was, for which the client's thread then looks without a pause.
    Unhurried,
}

/// One client.
pub(super) struct Client {
    producer: ThreadedProducer<Context>,
    bootstrap: Bootstrap,
}

struct Context(Arc<Shared>);

impl Shared {
    pub(super) fn new() -> Self {
        let (state, _) = watch::channel(BrokerState::Down("connecting".to_owned()));
        Self { state, unacknowledged: Mutex::default(), warm: AtomicBool::new(false) }
    }

    pub(super) fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, state: BrokerState) {
        self.state.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        });
    }

    pub(super) fn unacknowledged(&self) -> MutexGuard<'_, Unacknowledged> {
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    pub(super) const fn linger(self) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Grouped => Duration::from_micros(100),
            Self::Unhurried => Duration::from_millis(5),
        }
    }
}

impl Client {
    pub(super) fn open(
        connection: &Connection,
        patience: Patience,
        pace: Pace,
        shared: &Arc<Shared>,
    ) -> Result<Self, KafkaError> {
        let linger_ms = (pace.linger().as_secs_f64() * 1000.0).to_string();
        connection
            .config(&[
                ("enable.idempotence", "true"),
                ("linger.ms", &linger_ms),
                ("compression.type", "lz4"),
                ("queue.buffering.max.messages", "20000"),
                ("queue.buffering.max.kbytes", "65536"),
                ("delivery.timeout.ms", if patience == Patience::Endless { "0" } else { "30000" }),
                ("request.timeout.ms", "10000"),
                // The only way that librdkafka tells whether it has its producer id. The first client speaks for all. It sums
                // up its histograms each time, which takes half a millisecond.
                ("statistics.interval.ms", if pace == Pace::Grouped { "0" } else { "300" }),
                // A dead letter is up to 1 MiB of poison and our headers.
                ("message.max.bytes", "2097152"),
                ("partitioner", "murmur2_random"),
            ])
            .create_with_context(Context(Arc::clone(shared)))
            .map(|producer| Self { producer, bootstrap: connection.bootstrap() })
            .map_err(KafkaError::Client)
    }

    /// Enqueues one message. With `Err` it was not enqueued, which its reporter is told, too.
    pub(super) fn enqueue(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: OwnedHeaders,
        reporter: Reporter,
    ) -> Result<(), NotEnqueued> {
        let Context(shared) = &**self.producer.context();
        let number = shared.unacknowledged().begin(reporter);
        let (headers, delivery_opaque) = (Some(headers), number);
        let record = BaseRecord { topic, partition: None, payload, key, timestamp: None, headers, delivery_opaque };
        self.producer.send(record).map_err(|(error, _)| {
            let refused = not_enqueued(&error);
            if let Some(reporter) = shared.unacknowledged().end(number) {
                reporter.report(Err(DeliveryFailure::Refused(refused.to_string())));
            }
            refused
        })
    }

    /// Wakes its thread, so that it sees which messages have lingered for long enough. Waits for nothing.
    pub(super) fn wake(&self) {
        let _ = self.producer.flush(Duration::ZERO);
    }

    /// Waits until all has its report, at most `timeout`; blocks.
    pub(super) fn flush(&self, timeout: Duration) {
        if let Err(error) = self.producer.flush(timeout) {
            tracing::warn!(%error, in_flight = self.producer.in_flight_count(), "messages without a report");
        }
    }

    /// Why it cannot go on, if it cannot.
    pub(super) fn fatal_error(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, reason)| format!("fatal error {code}: {reason}"))
    }

    /// Why nothing can be sent to the topic, if nothing can. It asks the broker, which also keeps that from closing a
    /// connection that is idle for minutes.
    pub(super) fn trouble(&self, topic: &str) -> Option<String> {
        let client = self.producer.client();
        match self.bootstrap.after(client, client.fetch_metadata(Some(topic), LOOK_TIMEOUT)) {
            Ok(metadata) if metadata.brokers().is_empty() => {
                Some("the broker answers that there is none yet".to_owned())
            }
            Ok(metadata) => match metadata.topics().iter().find(|t| t.name() == topic) {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => None,
                _ => Some(format!("there is no topic {topic}")),
            },
            Err(error) => Some(error.to_string()),
        }
    }

    /// The offset behind the last message of the commands' topic; blocks.
    pub(super) fn end(&self, topic: &str) -> Result<i64, RdKafkaError> {
        self.producer.client().fetch_watermarks(topic, crate::COMMANDS_PARTITION, LOOK_TIMEOUT).map(|(_, end)| end)
    }

    /// Blocks up to `timeout`.
    pub(super) fn cluster_id(&self, timeout: Duration) -> Option<String> {
        self.producer.client().fetch_cluster_id(timeout)
    }
}

fn not_enqueued(error: &RdKafkaError) -> NotEnqueued {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => NotEnqueued::QueueFull,
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
            NotEnqueued::Refused(error.to_string())
        }
        // Not this message's fault: the topic is missing or forbidden, or the client cannot go on.
        _ => NotEnqueued::BrokerDown(error.to_string()),
    }
}

impl ClientContext for Context {
    fn stats_raw(&self, statistics: &[u8]) {
        const ASSIGNED: &[u8] = b"\"idemp_state\": \"Assigned\"";
        if !self.0.is_warm() && statistics.windows(ASSIGNED.len()).any(|window| window == ASSIGNED) {
            self.0.warm.store(true, Ordering::Relaxed);
        }
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.tell(BrokerState::Down(reason.to_owned()));
        }
    }
}

impl ProducerContext for Context {
    /// The message's number among [`Unacknowledged`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let report = match result {
            Ok(message) => Ok(Some(message.offset()).filter(|&offset| offset >= 0)),
            Err((error, _)) => Err(match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidMessageSize
                    | RDKafkaErrorCode::InvalidRecord,
                ) => DeliveryFailure::Refused(error.to_string()),
                _ => DeliveryFailure::Unknown(error.to_string()),
            }),
        };
        let reporter = self.0.unacknowledged().end(number);
        if let Some(reporter) = reporter {
            reporter.report(report);
        }
    }
}
