//! A broker inside this process: librdkafka's `MockCluster`, for a start without any installation.
//!
//! Its log lives in memory, keeps some 5 MiB and ends with the process: docs/adr/0005 says what follows from that.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use shared::token::LogId;

use crate::connection::{Connection, KafkaError};
use crate::topics::{Definition, Topics};

const BROKER: i32 = 1;

enum Order {
    Up(bool),
    Delay(Duration),
}

/// The broker runs until this is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    connection: Connection,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts one with the given topics, on a free port of 127.0.0.1.
    pub fn start(topics: &Topics) -> Result<Self, KafkaError> {
        let (started, start) = mpsc::sync_channel(1);
        let (orders, inbox) = mpsc::channel();
        let definitions = topics.definitions();
        // The cluster's handle must stay on the thread that made it.
        let thread = std::thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || {
                let cluster = open(&definitions);
                let outcome = cluster.as_ref().map(MockCluster::bootstrap_servers).map_err(Clone::clone);
                let _ = started.send(outcome);
                if let Ok(cluster) = cluster {
                    obey(&cluster, &inbox);
                }
            })
            .map_err(KafkaError::Thread)?;
        let brokers = start.recv().map_err(|_| KafkaError::EmbeddedBrokerEnded)?.map_err(KafkaError::Client)?;
        let connection = Connection::embedded(brokers, LogId::new_embedded());
        Ok(Self { connection, orders: Some(orders), thread: Some(thread) })
    }

    /// How to reach it from this process.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A fault for tests: takes it down or up again.
    pub fn set_up(&self, up: bool) {
        self.order(Order::Up(up));
    }

    /// A fault for tests: every answer comes later by this much.
    pub fn set_delay(&self, delay: Duration) {
        self.order(Order::Delay(delay));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

fn open(
    definitions: &[Definition],
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, rdkafka::error::KafkaError> {
    let cluster = MockCluster::new(1)?;
    for topic in definitions {
        cluster.create_topic(&topic.name, topic.partitions, 1)?;
    }
    Ok(cluster)
}

fn obey(cluster: &MockCluster<'static, rdkafka::producer::DefaultProducerContext>, inbox: &mpsc::Receiver<Order>) {
    while let Ok(order) = inbox.recv() {
        let done = match order {
            Order::Up(true) => cluster.broker_up(BROKER),
            Order::Up(false) => cluster.broker_down(BROKER),
            Order::Delay(delay) => cluster.broker_round_trip_time(BROKER, delay),
        };
        if let Err(error) = done {
            tracing::error!(%error, "the embedded broker did not do as told");
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
