//! Putting requests on a log, many at once, in their order.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context;
use kafka::{BrokerState, Connection, Patience, Producer, Topics};
use shared::message::RequestEnvelope;
use shared::settings::{KafkaSettings, TopicSettings};

use crate::stock::Message;

/// Sent and not acknowledged yet; far below what the producer's queue holds.
const IN_FLIGHT: usize = 5000;
const PATIENCE: Duration = Duration::from_mins(1);

/// The four topics under other names.
pub(crate) fn topics(prefix: &str) -> Topics {
    let name = |what: &str| format!("{prefix}.{what}");
    Topics { commands: name("commands"), items: name("items"), stock: name("stock"), dlq: name("dlq") }
}

pub(crate) fn connection(brokers: &str, topics: &Topics) -> anyhow::Result<Connection> {
    let topics = TopicSettings {
        kafka_topic_commands: topics.commands.clone(),
        kafka_topic_items: topics.items.clone(),
        kafka_topic_stock: topics.stock.clone(),
        kafka_topic_dlq: topics.dlq.clone(),
    };
    let settings = KafkaSettings { kafka_brokers: Some(brokers.to_owned()), kafka_properties: None, topics };
    Connection::from_settings(&settings)?.context("the brokers are named")
}

/// Makes the topics if they are missing, and sends all of these; each is on the log when it returns.
pub(crate) async fn send(
    connection: &Connection,
    topics: &Topics,
    requests: impl Iterator<Item = RequestEnvelope>,
) -> anyhow::Result<()> {
    topics.ensure(connection).await?;
    let producer = Producer::open(connection, &topics.commands, Patience::Short)?;
    tokio::time::timeout(PATIENCE, producer.state().wait_for(|state| *state == BrokerState::Up)).await??;
    let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
    for request in requests {
        if in_flight.len() == IN_FLIGHT {
            let oldest = in_flight.pop_front().context("it is full")?;
            producer.delivered(oldest).await?;
        }
        in_flight.push_back(producer.send(Message::of(&request).outgoing(&topics.commands))?);
    }
    for delivery in in_flight {
        producer.delivered(delivery).await?;
    }
    Ok(())
}
