//! Reading the commands' log: one partition, assigned by hand from the position in SQLite.
//!
//! There is no consumer group to rebalance; who reads is decided by the lease. A position that the log does not hold
//! is an error and never a silent jump to another one.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use shared::token::LogId;

use crate::bootstrap::Bootstrap;
use crate::connection::{Connection, KafkaError};
use crate::record::Record;
use crate::topics::COMMANDS_PARTITION;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Whatever the log's first message is; 0 would be an error on a log that was trimmed.
    Beginning,
    /// The next offset to apply.
    At(i64),
}

/// What a poll gave.
#[derive(Debug)]
pub enum Polled {
    /// The next message.
    Record(Record),
    /// Nothing within the time.
    Nothing,
    /// It will pass: the broker is away, say.
    Passing(String),
    /// The log does not hold the position.
    OutOfRange(String),
    /// The client cannot go on.
    Fatal(String),
}

struct Context;

impl ClientContext for Context {
    fn error(&self, error: RdKafkaError, reason: &str) {
        tracing::debug!(%error, reason, "consumer");
    }
}

impl ConsumerContext for Context {}

/// Reads one topic's only partition.
pub struct LogReader {
    consumer: BaseConsumer<Context>,
    bootstrap: Bootstrap,
    topic: String,
    embedded_log: Option<LogId>,
}

impl LogReader {
    /// Makes the client; the broker need not be there yet.
    pub fn open(connection: &Connection, topic: &str, group_id: &str) -> Result<Self, KafkaError> {
        let consumer = connection
            .config(&[
                // For commits only, which lag tools show; never read.
                ("group.id", group_id),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("auto.offset.reset", "error"),
                ("fetch.wait.max.ms", connection.fetch_wait_ms()),
                // The default of 1000 stalls a reader whose queue was full for a moment.
                ("fetch.queue.backoff.ms", "10"),
                ("queued.max.messages.kbytes", "4096"),
            ])
            .create_with_context(Context)
            .map_err(KafkaError::Client)?;
        let (bootstrap, embedded_log) = (connection.bootstrap(), connection.embedded_log().cloned());
        Ok(Self { consumer, bootstrap, topic: topic.to_owned(), embedded_log })
    }

    /// Which log this is, as the broker says now; `None` if it answers without saying. The client alone would tell what
    /// it was told once, also when another cluster has taken the address since.
    pub fn identity(&self, timeout: Duration) -> Result<Option<LogId>, KafkaError> {
        if let Some(embedded) = &self.embedded_log {
            return Ok(Some(embedded.clone()));
        }
        // Each answer about metadata replaces what the client knows of the cluster's id.
        self.brokers(timeout)?;
        Ok(self.consumer.client().fetch_cluster_id(timeout).map(|id| LogId::cluster(&id)))
    }

    /// The first offset that the log holds, and the one after its last.
    pub fn bounds(&self, timeout: Duration) -> Result<(i64, i64), KafkaError> {
        let bounds = self.consumer.fetch_watermarks(&self.topic, COMMANDS_PARTITION, timeout);
        self.bootstrap
            .after(self.consumer.client(), bounds)
            .map_err(KafkaError::broker("cannot look at the log's bounds"))
    }

    /// The addresses of the cluster's brokers.
    pub fn brokers(&self, timeout: Duration) -> Result<Vec<String>, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), timeout);
        let metadata = self
            .bootstrap
            .after(self.consumer.client(), metadata)
            .map_err(KafkaError::broker("cannot look at the brokers"))?;
        Ok(metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect())
    }

    /// Begins to read at `start`.
    pub fn assign(&self, start: Start) -> Result<(), KafkaError> {
        let offset = match start {
            Start::Beginning => Offset::Beginning,
            Start::At(offset) => Offset::Offset(offset),
        };
        let mut partitions = TopicPartitionList::new();
        partitions
            .add_partition_offset(&self.topic, COMMANDS_PARTITION, offset)
            .and_then(|()| self.consumer.assign(&partitions))
            .map_err(KafkaError::broker("cannot assign the log"))
    }

    /// The next message, or what there is to say instead.
    pub fn poll(&self, timeout: Duration) -> Polled {
        match self.consumer.poll(timeout) {
            None => Polled::Nothing,
            Some(Ok(message)) => Polled::Record(Record::copy(&message)),
            Some(Err(error)) => self.classify(&error),
        }
    }

    fn classify(&self, error: &RdKafkaError) -> Polled {
        if let Some((code, reason)) = self.consumer.client().fatal_error() {
            return Polled::Fatal(format!("{code}: {reason}"));
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Polled::OutOfRange(error.to_string())
            }
            _ => Polled::Passing(error.to_string()),
        }
    }

    /// Stops fetching, and drops what was fetched ahead, until [`Self::resume`]; polling goes on.
    pub fn pause(&self) -> Result<(), KafkaError> {
        self.consumer.pause(&self.partitions()).map_err(KafkaError::broker("cannot pause"))
    }

    /// Fetches again, from the first message that was not polled.
    pub fn resume(&self) -> Result<(), KafkaError> {
        self.consumer.resume(&self.partitions()).map_err(KafkaError::broker("cannot resume"))
    }

    /// Tells lag tools how far we are. Not for each batch: a broker takes some milliseconds for each, and what it has not
    /// taken librdkafka keeps, up to a minute. A failure harms nothing: the position that counts is in SQLite.
    pub fn commit(&self, next_offset: i64) {
        let mut partitions = TopicPartitionList::new();
        let committed = partitions
            .add_partition_offset(&self.topic, COMMANDS_PARTITION, Offset::Offset(next_offset))
            .and_then(|()| self.consumer.commit(&partitions, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(%error, "cannot commit for lag tools");
        }
    }

    fn partitions(&self) -> TopicPartitionList {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(&self.topic, COMMANDS_PARTITION);
        partitions
    }
}
