//! Kafka, as this system uses it: the only crate that imports rdkafka.
//!
//! Settings and their reasons stand beside the client that they configure. The embedded broker speaks the same
//! protocol through the same clients, so that nothing above this crate knows which of the two it talks to.

mod bootstrap;
mod connection;
mod embedded;
mod newest;
mod producer;
mod reader;
mod record;
mod topics;

pub use connection::{Connection, KafkaError};
pub use embedded::EmbeddedBroker;
pub use newest::newest;
pub use producer::{
    BrokerState, Delivery, DeliveryFailure, GROUPS_OUT, Group, NotEnqueued, Outgoing, Patience, Prepared, Producer,
    Report, STALLED_AFTER,
};
pub use reader::{LogReader, Polled, Start};
pub use record::{Header, Record};
pub use topics::{COMMANDS_PARTITION, Definition, Topics};
