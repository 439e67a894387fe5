//! Whom a group waits for: as many as were there when the last one was done (docs/adr/0023).
//!
//! Clients that wait for an answer send their next command a moment after it, all at about the same time: then the group
//! is whole at once. Those that come whenever they come do not make it whole: then it goes some time after the last one.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// So long after the last group was sent the next one goes, whoever is missing.
const APART: Duration = Duration::from_millis(4);
/// So many wait for nobody: more in one request would hardly be cheaper.
const ENOUGH: usize = 64;

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

    /// When a group is done that was sent `since` then: how many waited for it or behind it.
    pub(super) fn seen(&mut self, since: Instant, waiting: usize) {
        self.expected = waiting.max(self.expected / 2).min(ENOUGH);
        self.until = since + APART;
    }

    /// Adds to a group who still comes.
    pub(super) async fn gather<T>(&self, queue: &mut mpsc::Receiver<T>, group: &mut Vec<T>) {
        if group.len() >= self.expected || Instant::now() >= self.until {
            return;
        }
        let others = async { while group.len() < self.expected && queue.recv_many(group, self.expected).await > 0 {} };
        // A group that does not become whole goes as it is.
        let _ = timeout_at(self.until, others).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than a slow machine needs between two lines.
    const LONG: Duration = Duration::from_secs(20);

    fn crowd(expected: usize, until: Instant) -> Crowd {
        Crowd { expected, until }
    }

    #[tokio::test]
    async fn a_group_waits_until_as_many_are_there_as_lately() {
        let (sender, mut queue) = mpsc::channel(8);
        let mut group = vec![1];
        let coming = async {
            for n in [2, 3] {
                tokio::task::yield_now().await;
                sender.send(n).await.expect("somebody gathers");
            }
        };
        let until = Instant::now() + LONG;
        let crowd = crowd(3, until);
        tokio::join!(crowd.gather(&mut queue, &mut group), coming);
        assert!(Instant::now() < until, "it waited for more");
        assert_eq!(group, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_group_that_does_not_become_whole_goes_when_its_time_is_over() {
        let (_sender, mut queue) = mpsc::channel(8);
        let mut group = vec![1];
        let until = Instant::now() + APART;
        crowd(2, until).gather(&mut queue, &mut group).await;
        assert!(Instant::now() >= until, "it waited");
        assert_eq!(group, [1]);
    }

    #[tokio::test]
    async fn what_is_there_already_waits_for_nobody() {
        let (sender, mut queue) = mpsc::channel(8);
        sender.try_send(2).expect("there is room");
        for crowd in [Crowd::none(), crowd(1, Instant::now() + LONG), crowd(2, Instant::now())] {
            let mut group = vec![1];
            crowd.gather(&mut queue, &mut group).await;
            assert_eq!(group, [1], "{} were expected", crowd.expected);
        }
    }

    #[test]
    fn who_was_there_is_forgotten_by_halves_and_counted_up_to_a_bound() {
        let (now, mut crowd) = (Instant::now(), Crowd::none());
        let expected = [(0, 0), (12, 12), (1, 6), (1, 3), (1, 1), (1000, ENOUGH)];
        for (waiting, expected) in expected {
            crowd.seen(now, waiting);
            assert_eq!((crowd.expected, crowd.until), (expected, now + APART), "{waiting} waited");
        }
    }
}
