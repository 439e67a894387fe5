//! A message, copied out of librdkafka: a borrowed one would pin its whole fetch buffer.

use std::borrow::Cow;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers};

/// A header; a null value is none.
pub type Header = (Cow<'static, str>, Option<Bytes>);

/// Stands for a header's name that is not UTF-8.
const UNREADABLE_NAME: &str = "(not UTF-8)";

/// rdkafka panics on a name that is not UTF-8, and anybody can put one on a topic.
fn header(headers: &BorrowedHeaders, index: usize) -> Header {
    let read = || {
        let header = headers.get(index);
        (header.key.to_owned().into(), header.value.map(Bytes::copy_from_slice))
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| (UNREADABLE_NAME.into(), None))
}

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
        let headers = message
            .headers()
            .map_or_else(Vec::new, |headers| (0..headers.count()).map(|index| header(headers, index)).collect());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }

    /// Whether a header's name is not UTF-8, so that it could not be read.
    pub fn has_unreadable_header(&self) -> bool {
        self.headers.iter().any(|(name, _)| name == UNREADABLE_NAME)
    }

    /// The bytes that it holds.
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}
