//! Groups of every size end on the log whole, in their order, and one behind another.

use std::time::{Duration, Instant};

use kafka::{BrokerState, EmbeddedBroker, Patience, Prepared, Producer, Report, Topics};
use tokio::time::timeout;

/// Far above what one takes; a message that lingers goes by itself after a millisecond.
const BOUND: Duration = Duration::from_secs(20);
/// At least, of one who is unhurried.
const WAIT_FOR_OTHERS: Duration = Duration::from_millis(5);

async fn up(producer: &Producer) {
    producer.state().wait_for(|state| *state == BrokerState::Up).await.expect("the producer is there");
}

async fn sent(producer: &Producer, topic: &str, messages: usize) -> Vec<Report> {
    let group = producer.group(messages);
    for number in 0..messages {
        let message = Prepared::with_headers([]).value(number.to_string().into_bytes());
        group.send(topic, message).expect("enqueued");
    }
    group.go().await;
    timeout(BOUND, group.settled()).await.expect("all are reported");
    group.reports()
}

#[tokio::test]
async fn groups_of_every_size_stand_on_the_log_in_the_order_of_sending() {
    let topics = Topics::default();
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    let commands = &topics.commands;
    let with_groups = Producer::for_groups(broker.connection(), commands, Patience::Short).expect("a producer");
    let without = Producer::open(broker.connection(), commands, Patience::Short).expect("a producer");
    let unhurried = Producer::unhurried(broker.connection(), commands, Patience::Short).expect("a producer");
    let mut next = 0..;
    for producer in [&with_groups, &without, &unhurried] {
        up(producer).await;
        for messages in [1, 5, 6, 300, 2, 1000, 7] {
            let offsets: Vec<i64> = sent(producer, commands, messages)
                .await
                .into_iter()
                .map(|report| report.expect("acknowledged").expect("with its offset"))
                .collect();
            assert_eq!(offsets, next.by_ref().take(messages).collect::<Vec<i64>>(), "a group of {messages}");
        }
    }
}

#[tokio::test]
async fn a_lone_message_of_one_who_is_unhurried_waits_for_others() {
    let topics = Topics::default();
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    let producer = Producer::unhurried(broker.connection(), &topics.commands, Patience::Endless).expect("a producer");
    up(&producer).await;
    // The first waits for the producer's id, too.
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(sent(&producer, &topics.commands, 1).await.len(), 1);
        assert!(began.elapsed() >= WAIT_FOR_OTHERS, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_group_of_none_is_settled() {
    let topics = Topics::default();
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    let producer = Producer::for_groups(broker.connection(), &topics.commands, Patience::Short).expect("a producer");
    up(&producer).await;
    assert_eq!(sent(&producer, &topics.commands, 0).await, []);
}
