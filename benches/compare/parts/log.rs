//! Putting requests on a log, many at once, in their order.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context;
use kafka::{BrokerState, Connection, Delivery, NotEnqueued, Patience, Producer, Topics};
use shared::message::RequestEnvelope;

use crate::bench::Bench;
use crate::stock::Message;

/// Sent and not acknowledged yet; far below what the producer's queue holds.
const IN_FLIGHT: usize = 5000;
const PATIENCE: Duration = Duration::from_mins(1);

/// The commands' topic of a broker, of which nobody else writes.
pub(crate) struct Log {
    topics: Topics,
    producer: Producer,
    sent: Cell<usize>,
}

/// The four topics under other names.
pub(crate) fn topics(prefix: &str) -> Topics {
    let name = |what: &str| format!("{prefix}.{what}");
    Topics { commands: name("commands"), items: name("items"), stock: name("stock"), dlq: name("dlq") }
}

impl Log {
    /// Makes the topics if they are missing.
    pub(crate) fn open(bench: &Bench, brokers: &str, topics: &Topics) -> anyhow::Result<Self> {
        let connection = Connection::at(brokers.to_owned());
        let producer = Producer::open(&connection, &topics.commands, Patience::Short)?;
        bench.runtime.block_on(async {
            topics.ensure(&connection).await?;
            let mut state = producer.state();
            tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == BrokerState::Up)).await??;
            anyhow::Ok(())
        })?;
        Ok(Self { topics: topics.clone(), producer, sent: Cell::new(0) })
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// How many are on it: the offset of the next.
    pub(crate) fn sent(&self) -> i64 {
        i64::try_from(self.sent.get()).expect("far fewer")
    }

    /// Sends all of these; each is on the log when it returns.
    pub(crate) fn send(&self, bench: &Bench, requests: impl Iterator<Item = RequestEnvelope>) -> anyhow::Result<()> {
        bench.runtime.block_on(async {
            let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
            for request in requests {
                self.enqueue(&Message::of(&request), &mut in_flight).await?;
                self.sent.set(self.sent.get() + 1);
            }
            for delivery in in_flight {
                self.producer.delivered(delivery).await?;
            }
            Ok(())
        })
    }

    /// Waits for the oldest ones as long as there is no room for another.
    async fn enqueue(&self, message: &Message, in_flight: &mut VecDeque<Delivery>) -> anyhow::Result<()> {
        loop {
            let is_full = in_flight.len() == IN_FLIGHT;
            let sent = (!is_full).then(|| self.producer.send(message.outgoing(&self.topics.commands)));
            match sent {
                Some(Ok(delivery)) => {
                    in_flight.push_back(delivery);
                    return Ok(());
                }
                // The broker is slower than we are.
                None | Some(Err(NotEnqueued::Stalled(_) | NotEnqueued::QueueFull)) => {
                    let oldest = in_flight.pop_front().context("the broker takes nothing")?;
                    self.producer.delivered(oldest).await?;
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}
