//! A message, copied out of librdkafka: a borrowed one would pin its whole fetch buffer.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// A header; a null value is none.
pub type Header = (String, Option<Bytes>);

/// One message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which partition.
    pub partition: i32,
    /// Where in it.
    pub offset: i64,
    /// Milliseconds since 1970 UTC, as the topic keeps it.
    pub timestamp: Option<i64>,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes; none is a tombstone.
    pub value: Option<Bytes>,
    /// In their order.
    pub headers: Vec<Header>,
}

impl Record {
    pub(crate) fn copy(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|h| (h.key.to_owned(), h.value.map(Bytes::copy_from_slice))).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }

    /// The bytes that it holds.
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}
