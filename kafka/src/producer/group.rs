//! Messages that are sent one behind another, with one wait for all of them.
//!
//! librdkafka sends the first of them at once, while the others are still being put into its queue: the less each takes, the
//! more of them share a request. So each is made ready before its turn comes, by whoever makes it.

use std::sync::Arc;

use rdkafka::message::{Header, OwnedHeaders};

use super::in_flight::{Gathering, Reporter};
use super::{NotEnqueued, Producer, Report};

/// Messages on their way together.
pub struct Group {
    producer: Producer,
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
    pub(super) fn of(producer: Producer) -> Self {
        Self { producer, gathering: Arc::default() }
    }

    /// Enqueues one message. With `Err` it was not enqueued, and that is its report. Whether the producer
    /// [accepts](Producer::accepts) any is not asked again.
    pub fn send(&self, topic: &str, Prepared { key, value, headers, .. }: Prepared) -> Result<(), NotEnqueued> {
        let place = self.gathering.expect_one();
        let reporter = Reporter::Among(Arc::clone(&self.gathering), place);
        self.producer.enqueue(topic, key.as_deref(), value.as_deref(), headers, reporter)
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

impl Prepared {
    /// The parts of an [`Outgoing`](super::Outgoing) but its topic; headers in their order.
    pub fn new<'a>(
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Self {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let mut size = length(key.as_deref()) + length(value.as_deref());
        let headers = native(headers.into_iter().inspect(|&(name, value)| size += name.len() + length(value)));
        Self { key, value, headers, size }
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
