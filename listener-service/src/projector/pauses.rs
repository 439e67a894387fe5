//! How long to wait before filling again: a Redis that evicts what it is given must not be filled without end.

use std::time::{Duration, Instant};

use crate::clock::TimeSource;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// A model that stood for so long was not lost at once.
const STEADY: Duration = Duration::from_secs(1);

/// The first fill after a steady time is due at once; then each waits twice as long as the one before.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    due: Option<Instant>,
    time: TimeSource,
}

impl Pauses {
    pub(super) fn by(time: TimeSource) -> Self {
        Self { next: Duration::ZERO, due: None, time }
    }

    /// A model, or a fill, came to nothing after so long.
    pub(super) fn lost(&mut self, stood_for: Duration) {
        if stood_for >= STEADY {
            self.next = Duration::ZERO;
        }
        self.due = Some(self.time.instant() + self.next);
        self.next = (self.next * 2).clamp(FIRST, LONGEST);
    }

    /// Whether a fill may begin.
    pub(super) fn are_over(&self) -> bool {
        self.due.is_none_or(|due| due <= self.time.instant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_those_after_it_wait_longer_and_longer() {
        let mut pauses = Pauses::by(TimeSource::Machine);
        assert!(pauses.are_over());
        pauses.lost(Duration::ZERO);
        assert!(pauses.are_over(), "the first loss");
        pauses.lost(Duration::ZERO);
        assert!(!pauses.are_over());
        for _ in 0..10 {
            pauses.lost(Duration::ZERO);
        }
        assert_eq!(pauses.next, LONGEST);
        pauses.lost(STEADY);
        assert!(pauses.are_over());
    }
}
