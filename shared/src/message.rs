//! What travels on the topics: requests from command-service, facts from listener-service.
//!
//! One JSON object a message. The body decides; the Kafka key must be its `aggregateId`, and headers repeat parts
//! of it for whoever only routes. docs/EVENTS.md shows each message.

mod decode;
mod fact;
mod request;

pub use decode::{DecodeError, decode_request};
pub use fact::{
    Fact, FactEnvelope, ItemDetails, LevelAfter, ReservationAfter, ReservedLine, SYSTEM, StoreDetails, Stream,
};
pub use request::{
    Canonical, CatalogueFields, Command, EncodedRequest, NewRequest, RequestEnvelope, StoreFields, fingerprint,
};

/// The version of the messages' schema that this build writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The names of the message headers.
pub mod header {
    /// Repeats `eventType`.
    pub const EVENT_TYPE: &str = "event-type";
    /// Repeats `eventId`.
    pub const EVENT_ID: &str = "event-id";
    /// Repeats `occurredAt`.
    pub const TIMESTAMP: &str = "timestamp";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// Always `application/json`.
    pub const CONTENT_TYPE: &str = "content-type";
}

/// The media type of every message body.
pub const CONTENT_TYPE_JSON: &str = "application/json";
