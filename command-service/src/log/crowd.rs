//! Whom a group waits for: as many as were there when the last one was done (docs/adr/0023), or half of many (docs/adr/0026).
//!
//! Clients that wait for an answer send their next command a moment after it, all at about the same time: then the group
//! is whole at once. Those that come whenever they come do not make it whole: then it goes some time after the last one.

use std::time::Duration;

use tokio::time::Instant;

/// So long after the last group was sent the next one goes, whoever is missing.
const APART: Duration = Duration::from_millis(4);
/// So many are two groups, one beside the other: halves of fewer cost more than the wait for all.
const MANY: usize = 48;
/// More are not counted, and of a group that has half of them nobody waits for more: it would hardly be cheaper.
const COUNTED: usize = 128;

/// Those who wait for reports.
pub(super) struct Crowd {
    /// How many there were lately.
    expected: usize,
    /// Until when others are waited for.
    until: Instant,
}

impl Crowd {
    /// Nobody was there, so nobody is waited for.
    pub(super) fn none() -> Self {
        Self { expected: 0, until: Instant::now() }
    }

    /// When a group is done: how many waited, for it, for another one or behind them. Many never wait all at the same moment, so
    /// they are forgotten slowly.
    pub(super) fn seen(&mut self, waiting: usize) {
        self.expected = waiting.max(self.expected - self.expected.div_ceil(8)).min(COUNTED);
    }

    /// When a group is sent.
    pub(super) fn sent(&mut self, at: Instant) {
        self.until = at + APART;
    }

    /// Until when a group waits at most, if no other one is out.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// Whether a group of so many waits for nobody, if no other one is out.
    pub(super) const fn is_enough(&self, gathered: usize) -> bool {
        gathered >= if self.is_large() { self.expected / 2 } else { self.expected }
    }

    /// Whether it waits for nobody, and for no group that is out either.
    pub(super) const fn is_enough_beside(&self, gathered: usize) -> bool {
        self.is_large() && self.is_enough(gathered)
    }

    const fn is_large(&self) -> bool {
        self.expected >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_waits_for_who_was_there_and_one_of_many_for_half_of_them() {
        let mut crowd = Crowd::none();
        assert!(crowd.is_enough(1) && !crowd.is_enough_beside(1), "nobody was there");
        for (waiting, enough) in [(3, 3), (MANY - 1, MANY - 1), (MANY, MANY / 2), (1000, COUNTED / 2)] {
            crowd.seen(waiting);
            assert!(crowd.is_enough(enough) && !crowd.is_enough(enough - 1), "{waiting} waited");
            assert_eq!(crowd.is_enough_beside(enough), waiting >= MANY, "{waiting} waited");
            assert!(!crowd.is_enough_beside(enough - 1), "{waiting} waited");
        }
    }

    #[test]
    fn who_was_there_is_forgotten_by_eighths_and_counted_up_to_a_bound() {
        let mut crowd = Crowd::none();
        let expected = [(0, 0), (12, 12), (1, 10), (1, 8), (1, 7), (7, 7), (1000, COUNTED), (0, COUNTED / 8 * 7)];
        for (waiting, expected) in expected {
            crowd.seen(waiting);
            assert_eq!(crowd.expected, expected, "{waiting} waited");
        }
        (0..COUNTED).for_each(|_| crowd.seen(1));
        assert_eq!(crowd.expected, 1);
    }
}
