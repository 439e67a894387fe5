//! The writer's clock: it never goes back, neither while running nor over a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use shared::clock::Timestamp;

/// Where time comes from.
#[derive(Debug, Clone, Default)]
pub enum TimeSource {
    /// The machine's clocks.
    #[default]
    Machine,
    /// A number, in milliseconds since 1970 UTC, that somebody else moves.
    Simulated(Arc<AtomicI64>),
}

impl TimeSource {
    fn wall_clock(&self) -> Timestamp {
        match self {
            Self::Machine => Timestamp::wall_clock(),
            Self::Simulated(millis) => Timestamp::from_millis(millis.load(Ordering::Acquire)),
        }
    }
}

/// max(wall clock at start, last journaled) + what has passed since, by the monotonic clock.
#[derive(Debug)]
pub struct WriterClock {
    source: TimeSource,
    start: Timestamp,
    started: Started,
}

#[derive(Debug)]
enum Started {
    Machine(Instant),
    Simulated(Timestamp),
}

impl WriterClock {
    /// Goes on from `last_journaled`, or from the wall clock if that is later.
    pub fn start(last_journaled: Timestamp, source: TimeSource) -> Self {
        let wall_clock = source.wall_clock();
        let started = match source {
            TimeSource::Machine => Started::Machine(Instant::now()),
            TimeSource::Simulated(_) => Started::Simulated(wall_clock),
        };
        Self { source, start: wall_clock.max(last_journaled), started }
    }

    /// No later than either clock says. What is dropped for its age is measured by it: a wall clock that was once far
    /// ahead must not make everything old.
    pub fn cautious_now(&self) -> Timestamp {
        self.now().min(self.source.wall_clock())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let passed = match &self.started {
            Started::Machine(started) => i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
            Started::Simulated(started) => (self.source.wall_clock().millis() - started.millis()).max(0),
        };
        self.start.plus_millis(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_stepped_back_does_not_take_time_back() {
        let journaled = Timestamp::wall_clock().plus_millis(3_600_000);
        assert!(WriterClock::start(journaled, TimeSource::Machine).now() >= journaled);
        let machine = WriterClock::start(Timestamp::from_millis(0), TimeSource::Machine);
        assert!(machine.now() > Timestamp::from_millis(0));
    }

    #[test]
    fn a_simulated_clock_goes_as_it_is_moved_but_not_back_behind_its_start() {
        let millis = Arc::new(AtomicI64::new(1000));
        let clock = WriterClock::start(Timestamp::from_millis(5000), TimeSource::Simulated(Arc::clone(&millis)));
        assert_eq!(clock.now().millis(), 5000);
        millis.store(1500, Ordering::Release);
        assert_eq!(clock.now().millis(), 5500);
        millis.store(0, Ordering::Release);
        assert_eq!(clock.now().millis(), 5000);
    }
}
