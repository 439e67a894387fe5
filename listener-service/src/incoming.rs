//! A message of the log with what it says, which is read on the consumer's thread: the writer's has enough to do.

use std::panic::AssertUnwindSafe;

use kafka::Record;
use shared::message::{DecodeError, RequestEnvelope, decode_request};

/// A message that waits for the writer.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// As it came.
    pub record: Record,
    request: Option<Result<RequestEnvelope, DecodeError>>,
}

impl Incoming {
    /// Reads it. What makes the reading itself fail must not end the consumer: it is the writer that tries a message again,
    /// alone, and puts it aside in the end.
    pub fn read(record: Record) -> Self {
        let request = std::panic::catch_unwind(AssertUnwindSafe(|| decode(&record))).ok();
        Self { record, request }
    }

    /// What it asks for, or why it asks for nothing. Panics if reading it did.
    pub fn request(&self) -> Result<&RequestEnvelope, DecodeError> {
        let read = self.request.as_ref().expect("reading this message does not panic");
        read.as_ref().map_err(Clone::clone)
    }
}

fn decode(record: &Record) -> Result<RequestEnvelope, DecodeError> {
    if record.has_unreadable_header() {
        return Err(DecodeError::Malformed("the name of a header is not UTF-8".to_owned()));
    }
    let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    decode_request(record.key.as_deref(), record.value.as_deref(), headers)
}
