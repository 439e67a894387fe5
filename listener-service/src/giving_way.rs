//! Followers give way to a writer that has a backlog (docs/adr/0016).
//!
//! They share the machine with it, and so do the broker and the Redis that they keep busy. Nobody waits for what they tell
//! of a backlog, but all wait for the writer to come through it. They go on meanwhile, at a quarter of their pace.

use std::time::{Duration, Instant};

use crate::status::Status;

/// How many times as long as it worked a follower rests.
const RESTS: u32 = 3;
/// So that what readers see moves on, whatever a step took; and so that a shutdown is noticed.
const LONGEST: Duration = Duration::from_millis(250);

/// Rests if the writer has a backlog, after a step that began then.
pub fn give_way(status: &Status, step_began: Instant) {
    if status.has_backlog() {
        std::thread::sleep(rest_after(step_began.elapsed()));
    }
}

fn rest_after(worked: Duration) -> Duration {
    (worked * RESTS).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_in_proportion_to_the_work_and_bounded() {
        assert_eq!(rest_after(Duration::from_millis(2)), Duration::from_millis(6));
        assert_eq!(rest_after(Duration::from_secs(5)), LONGEST);
    }
}
