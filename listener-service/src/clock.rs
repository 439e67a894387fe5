//! The writer's clock: it never goes back, neither while running nor over a restart.

use std::time::Instant;

use shared::clock::Timestamp;

/// max(wall clock at start, last journaled) + what has passed since, by the monotonic clock.
#[derive(Debug)]
pub struct WriterClock {
    start: Timestamp,
    started: Instant,
}

impl WriterClock {
    /// Goes on from `last_journaled`, or from the wall clock if that is later.
    pub fn start(last_journaled: Timestamp) -> Self {
        Self { start: Timestamp::wall_clock().max(last_journaled), started: Instant::now() }
    }

    /// No later than either clock says. What is dropped for its age is measured by it: a wall clock that was once far
    /// ahead must not make everything old.
    pub fn cautious_now(&self) -> Timestamp {
        self.now().min(Timestamp::wall_clock())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.start.plus_millis(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_stepped_back_does_not_take_time_back() {
        let journaled = Timestamp::wall_clock().plus_millis(3_600_000);
        assert!(WriterClock::start(journaled).now() >= journaled);
        assert!(WriterClock::start(Timestamp::from_millis(0)).now() > Timestamp::from_millis(0));
    }
}
