//! A message made ready where it is written, for a [`Group`](super::Group).
//!
//! librdkafka sends the first message of a group at once, while the others are still being put into its queue: the less
//! each takes, the more of them share a request. So its headers are librdkafka's own before its turn comes.

use rdkafka::message::{Header, OwnedHeaders};

/// What goes on a topic, whichever that is.
#[derive(Debug)]
pub struct Prepared {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// Until it is sent: then they are librdkafka's.
    pub(super) headers: Option<OwnedHeaders>,
    size: usize,
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
        Self { key, value, headers: Some(headers), size }
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
