//! A broker that starts or ends may answer that there is no broker at all, itself included. Who believed it asks again.

#[path = "found_again/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use kafka::{BrokerState, Connection, EmbeddedBroker, LogReader, Outgoing, Patience, Polled, Producer, Start, Topics};
use relay::Relay;
use tokio::time::timeout;

const FOUND_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);
/// So many that without a reminder one of them stays alone in most runs.
const PRODUCERS: usize = 4;
/// So many that it is one run of three.
const READERS: usize = 24;

async fn becomes(producer: &Producer, is: impl FnMut(&BrokerState) -> bool) {
    let mut states = producer.state();
    let in_time = timeout(FOUND_WITHIN, states.wait_for(is)).await.is_ok();
    assert!(in_time, "after {FOUND_WITHIN:?}: {:?}", *producer.state().borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_finds_a_broker_again_that_denied_being_there() {
    let topics = Topics::default();
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    let relay = Relay::before(broker.connection().brokers());
    let connection = Connection::at(relay.address());
    let open = || Producer::for_groups(&connection, &topics.commands, Patience::Short).expect("a producer");
    let producers: Vec<Producer> = std::iter::repeat_with(open).take(PRODUCERS).collect();
    for producer in &producers {
        becomes(producer, |state| *state == BrokerState::Up).await;
    }
    relay.denies_brokers(true);
    for producer in &producers {
        becomes(producer, |state| *state != BrokerState::Up).await;
    }
    relay.denies_brokers(false);
    for producer in &producers {
        becomes(producer, |state| *state == BrokerState::Up).await;
        acknowledged(producer, &topics.commands).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_a_broker_again_that_denied_being_there() {
    let topics = Topics::default();
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    let producer = Producer::open(broker.connection(), &topics.commands, Patience::Short).expect("a producer");
    becomes(&producer, |state| *state == BrokerState::Up).await;
    let relay = Relay::before(broker.connection().brokers());
    let connection = Connection::at(relay.address());
    let open = || LogReader::open(&connection, &topics.commands, "readers").expect("a reader");
    let readers: Vec<LogReader> = std::iter::repeat_with(open).take(READERS).collect();
    for reader in &readers {
        until(|| reader.bounds(LOOK).is_ok());
        reader.assign(Start::Beginning).expect("assigned");
    }
    relay.denies_brokers(true);
    for reader in &readers {
        until(|| reader.brokers(LOOK).is_ok_and(|brokers| brokers.is_empty()));
    }
    relay.denies_brokers(false);
    acknowledged(&producer, &topics.commands).await;
    for reader in &readers {
        until(|| reader.bounds(LOOK).is_ok());
        until(|| matches!(reader.poll(LOOK), Polled::Record(record) if record.offset == 0));
    }
}

async fn acknowledged(producer: &Producer, topic: &str) {
    let delivery = producer.send(Outgoing { topic, key: None, value: Some(b"after"), headers: &[] }).expect("enqueued");
    timeout(FOUND_WITHIN, producer.delivered(delivery)).await.expect("in time").expect("acknowledged");
}

fn until(mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < FOUND_WITHIN, "not after {FOUND_WITHIN:?}");
    }
}
