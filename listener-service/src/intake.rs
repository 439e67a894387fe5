//! Between the consumer and the writer: what arrives while a batch commits becomes the next batch.
//!
//! So batches grow with the load by themselves, and a lone command waits for nothing. Bounded in messages and bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::incoming::Incoming;

/// Two batches of the usual bound: one being collected while the other commits.
const MAX_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Incoming>,
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
    #[expect(clippy::result_large_err, reason = "few come back, and a box would be made for each that does not")]
    pub fn put(&self, incoming: Incoming, patience: Duration) -> Result<(), Incoming> {
        let full = |queue: &mut Queue| queue.records.len() >= self.max_records || queue.bytes >= MAX_BYTES;
        let (mut queue, _) =
            self.taken.wait_timeout_while(self.lock(), patience, full).unwrap_or_else(PoisonError::into_inner);
        if full(&mut queue) {
            return Err(incoming);
        }
        queue.bytes += incoming.record.size();
        queue.records.push_back(incoming);
        self.arrived.notify_one();
        Ok(())
    }

    /// Everything that is there, up to `max` messages, as soon as there is anything; nothing after `patience`.
    pub fn take(&self, max: usize, patience: Duration) -> Vec<Incoming> {
        let (mut queue, _) = self
            .arrived
            .wait_timeout_while(self.lock(), patience, |queue| queue.records.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let count = queue.records.len().min(max);
        let batch: Vec<Incoming> = queue.records.drain(..count).collect();
        queue.bytes -= batch.iter().map(|incoming| incoming.record.size()).sum::<usize>();
        self.taken.notify_one();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kafka::Record;

    use super::*;

    fn message(offset: i64) -> Incoming {
        Incoming::read(Record { partition: 0, offset, timestamp: None, key: None, value: None, headers: Vec::new() })
    }

    #[test]
    fn a_batch_is_what_has_arrived_up_to_the_bound_in_order() {
        let intake = Intake::new(2);
        for offset in 0..3 {
            intake.put(message(offset), Duration::ZERO).expect("room");
        }
        let offsets = |batch: Vec<Incoming>| batch.iter().map(|message| message.record.offset).collect::<Vec<_>>();
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [0, 1]);
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [2]);
        assert_eq!(offsets(intake.take(2, Duration::ZERO)), [0; 0]);
    }

    #[test]
    fn what_has_no_room_comes_back() {
        let intake = Intake::new(1);
        intake.put(message(0), Duration::ZERO).expect("room");
        intake.put(message(1), Duration::ZERO).expect("room");
        assert_eq!(intake.put(message(2), Duration::ZERO).map_err(|message| message.record.offset), Err(2));
    }
}
