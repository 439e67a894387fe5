//! How long to wait before trying again: the only place that knows the backoff crate (docs/adr/0006).

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Exponential, with jitter, without an end of its own.
#[derive(Debug)]
pub struct Pauses(ExponentialBackoff);

impl Pauses {
    /// From `first`, doubling, up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            max_interval: longest,
            multiplier: 2.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// Without jitter, where nothing may be left to chance.
    #[must_use]
    pub fn exact(self) -> Self {
        Self(ExponentialBackoff { randomization_factor: 0.0, ..self.0 })
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_the_longest_with_its_jitter() {
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(5));
        let mut pauses = Pauses::new(first, longest);
        let all: Vec<Duration> = (0..20).map(|_| pauses.next_pause()).collect();
        assert!(all[0] <= first.mul_f64(1.5) && all[19] >= longest.mul_f64(0.5));
        assert!(all.iter().all(|pause| *pause <= longest.mul_f64(1.5)));
    }
}
