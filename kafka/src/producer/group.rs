//! Messages that are sent one behind another, with one wait for all of them.
//!
//! librdkafka, told to wait for nobody, sends what it has as soon as there is one message, while the others are still being
//! put into its queue. What comes behind five that are on their way waits for their answer, for which its thread then looks
//! without a pause. So a larger group goes by a client that lingers, and once it is whole the client is woken: then it
//! is one request, behind which nothing waits. A second group goes beside it by another such client. Each message is made ready
//! before its turn comes, by whoever makes it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rdkafka::message::{Header, OwnedHeaders};

use super::client::Pace;
use super::in_flight::{Gathering, Reporter};
use super::{ForGroups, NotEnqueued, Producer, Report};

/// So many of one partition may be on their way while librdkafka sends more: its `RD_KAFKA_IDEMP_MAX_INFLIGHT`.
const ON_THEIR_WAY: usize = 5;

/// Messages on their way together.
pub struct Group {
    producer: Producer,
    /// Which of the clients for groups it goes by: a large one, if the producer has any.
    by: Option<usize>,
    began: OnceLock<Instant>,
    gathering: Arc<Gathering>,
}

/// A message for a group: what goes on a topic, whichever that is. Its headers are librdkafka's own already.
#[derive(Debug)]
pub struct Prepared {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
    size: usize,
}

impl Group {
    pub(super) fn of(producer: Producer, messages: usize) -> Self {
        let by = if messages > ON_THEIR_WAY { producer.inner.next_for_groups() } else { None };
        let group = Self { producer, by, began: OnceLock::new(), gathering: Arc::default() };
        if let Some(client) = group.taken_by() {
            client.groups.fetch_add(1, Ordering::Relaxed);
        }
        group
    }

    fn taken_by(&self) -> Option<&ForGroups> {
        self.by.map(|by| &self.producer.inner.for_groups[by])
    }

    /// Enqueues one message. With `Err` it was not enqueued, and that is its report. Whether the producer
    /// [accepts](Producer::accepts) any is not asked again.
    pub fn send(&self, topic: &str, Prepared { key, value, headers, .. }: Prepared) -> Result<(), NotEnqueued> {
        let place = self.gathering.expect_one();
        let reporter = Reporter::Among(Arc::clone(&self.gathering), place);
        let client = self.taken_by().map_or(&self.producer.inner.first, |one| &one.client);
        let enqueued = client.enqueue(topic, key.as_deref(), value.as_deref(), headers, reporter);
        self.began.get_or_init(Instant::now);
        enqueued
    }

    /// All are enqueued: they go now, if they have not gone yet.
    pub async fn go(&self) {
        let (Some(ForGroups { client, .. }), Some(began)) = (self.taken_by(), self.began.get()) else { return };
        // Most has passed by now, and an alarm of the runtime's would come up to a millisecond late.
        while began.elapsed() < Pace::Grouped.linger() {
            tokio::task::yield_now().await;
        }
        client.wake();
    }

    /// Waits until each has its report, without a bound of its own.
    pub async fn settled(&self) {
        self.gathering.settled().await;
    }

    /// The reports that are there, in the order of sending: all of them once it has settled.
    pub fn reports(self) -> Vec<Report> {
        self.gathering.take()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(client) = self.taken_by() {
            client.groups.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Prepared {
    /// With these, in their order; without key and value yet.
    pub fn with_headers<'a>(headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        let mut size = 0;
        let count = |&(name, value): &(&str, Option<&[u8]>)| size += name.len() + value.map_or(0, <[u8]>::len);
        let headers = native(headers.into_iter().inspect(count));
        Self { key: None, value: None, headers, size }
    }

    /// With a key.
    #[must_use]
    pub fn key(self, key: Vec<u8>) -> Self {
        Self { size: self.size + key.len(), key: Some(key), ..self }
    }

    /// With a value.
    #[must_use]
    pub fn value(self, value: Vec<u8>) -> Self {
        Self { size: self.size + value.len(), value: Some(value), ..self }
    }

    /// The bytes of key, value and headers.
    pub const fn size(&self) -> usize {
        self.size
    }
}

/// Copied into what librdkafka takes.
pub(super) fn native<'a>(headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> OwnedHeaders {
    headers.into_iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EmbeddedBroker, Patience, Topics};

    #[tokio::test]
    async fn a_large_group_goes_by_a_client_that_has_none_and_a_small_one_by_neither() {
        let topics = Topics::default();
        let broker = EmbeddedBroker::start(&topics).expect("a broker");
        let producer =
            Producer::for_groups(broker.connection(), &topics.commands, Patience::Short).expect("a producer");
        let large = || producer.group(ON_THEIR_WAY + 1);
        let (first, second) = (large(), large());
        let (by_first, by_second) = (first.by, second.by);
        assert!(by_first.is_some() && by_second.is_some() && by_first != by_second);
        assert_eq!(producer.group(ON_THEIR_WAY).by, None);
        drop(second);
        let third = large();
        assert_eq!(third.by, by_second, "the first one is out");
        drop(first);
        assert_eq!(large().by, by_first, "the third one is out");
    }
}
