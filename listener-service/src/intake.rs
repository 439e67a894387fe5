//! Between the consumer and the writer: what arrives while a batch commits becomes the next batch.
//!
//! So batches grow with the load by themselves, and a lone command waits for nothing. Bounded in messages and bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::Record;

/// Two batches of the usual bound: one being collected while the other commits.
const MAX_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
}

/// The queue; one puts, one takes.
#[derive(Debug)]
pub struct Intake {
    queue: Mutex<Queue>,
    arrived: Condvar,
    taken: Condvar,
    max_records: usize,
}

impl Intake {
    /// Holds up to twice `batch_max` messages.
    pub fn new(batch_max: usize) -> Self {
        Self { queue: Mutex::default(), arrived: Condvar::new(), taken: Condvar::new(), max_records: batch_max * 2 }
    }

    /// Adds one, if there is room within `patience`; else gives it back.
    pub fn put(&self, record: Record, patience: Duration) -> Result<(), Record> {
        let full = |queue: &mut Queue| queue.records.len() >= self.max_records || queue.bytes >= MAX_BYTES;
        let (mut queue, _) =
            self.taken.wait_timeout_while(self.lock(), patience, full).unwrap_or_else(PoisonError::into_inner);
        if full(&mut queue) {
            return Err(record);
        }
        queue.bytes += record.size();
        queue.records.push_back(record);
        self.arrived.notify_one();
        Ok(())
    }

    /// Everything that is there, up to `max` messages, as soon as there is anything; nothing after `patience`.
    pub fn take(&self, max: usize, patience: Duration) -> Vec<Record> {
        let (mut queue, _) = self
            .arrived
            .wait_timeout_while(self.lock(), patience, |queue| queue.records.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let count = queue.records.len().min(max);
        let batch: Vec<Record> = queue.records.drain(..count).collect();
        queue.bytes -= batch.iter().map(Record::size).sum::<usize>();
        self.taken.notify_one();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record { partition: 0, offset, timestamp: None, key: None, value: None, headers: Vec::new() }
    }

    #[test]
    fn a_batch_is_what_has_arrived_up_to_the_bound_in_order() {
        let intake = Intake::new(2);
        for offset in 0..3 {
            intake.put(record(offset), Duration::ZERO).expect("room");
        }
        let offsets = |batch: Vec<Record>| batch.iter().map(|record| record.offset).collect::<Vec<_>>();
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [0, 1]);
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [2]);
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [0; 0]);
    }

    #[test]
    fn what_has_no_room_comes_back() {
        let intake = Intake::new(1);
        intake.put(record(0), Duration::ZERO).expect("room");
        intake.put(record(1), Duration::ZERO).expect("room");
        assert_eq!(intake.put(record(2), Duration::ZERO).map_err(|record| record.offset), Err(2));
    }
}
