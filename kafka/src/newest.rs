//! The newest messages of a topic, for who has no Kafdrop.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::connection::{Connection, KafkaError};
use crate::record::Record;

const POLL: Duration = Duration::from_millis(100);

/// Up to `limit` messages, newest first (by timestamp, then offset); blocks up to about `timeout` a partition.
pub fn newest(
    connection: &Connection,
    topic: &str,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<Record>, KafkaError> {
    let consumer: BaseConsumer = connection
        .config(&[
            ("group.id", "inventory-newest"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "10"),
        ])
        .create()
        .map_err(KafkaError::Client)?;
    let doing = "cannot read the topic";
    let metadata = consumer.fetch_metadata(Some(topic), timeout).map_err(KafkaError::broker(doing))?;
    let partitions = metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len());
    let mut assignment = TopicPartitionList::new();
    let mut ends = Vec::new();
    for partition in (0..).take(partitions) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, timeout).map_err(KafkaError::broker(doing))?;
        let from = low.max(high - i64::try_from(limit).unwrap_or(i64::MAX));
        if from < high {
            assignment
                .add_partition_offset(topic, partition, Offset::Offset(from))
                .map_err(KafkaError::broker(doing))?;
            ends.push((partition, high));
        }
    }
    consumer.assign(&assignment).map_err(KafkaError::broker(doing))?;
    let mut records = Vec::new();
    let deadline = Instant::now() + timeout;
    while !ends.is_empty() && Instant::now() < deadline {
        let Some(polled) = consumer.poll(POLL) else { continue };
        let record = Record::copy(&polled.map_err(KafkaError::broker(doing))?);
        ends.retain(|&(partition, end)| partition != record.partition || record.offset + 1 < end);
        records.push(record);
    }
    records.sort_by_key(|record| std::cmp::Reverse((record.timestamp, record.offset)));
    records.truncate(limit);
    Ok(records)
}
