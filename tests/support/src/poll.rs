//! Waiting for something to become true, bounded: tests never sleep for a guessed time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What one look found: the value that was waited for, or why it is not there yet.
pub trait Look {
    /// What the wait returns.
    type Value;

    /// The value, or what to say if there is no more time.
    fn value(self) -> Result<Self::Value, String>;
}

impl Look for bool {
    type Value = ();

    fn value(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("still false".to_owned()) }
    }
}

impl<T> Look for Option<T> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.ok_or_else(|| "still nothing".to_owned())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.map_err(|why| format!("{why:?}"))
    }
}

/// Looks again and again until `look` finds its value; panics with what it found last when `within` is over. A look that
/// takes longer than the time left is cut off.
pub async fn eventually<L: Look>(within: Duration, mut look: impl AsyncFnMut() -> L) -> L::Value {
    let deadline = Instant::now() + within;
    let mut last = "nothing: the first look did not end".to_owned();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, look()).await.map(Look::value) {
            Ok(Ok(value)) => return value,
            Ok(Err(why)) if left > PAUSE => last = why,
            Ok(Err(why)) => panic!("not within {within:?}: {why}"),
            Err(tokio::time::error::Elapsed { .. }) => panic!("not within {within:?}; the look before found: {last}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`eventually`], for threads without a runtime.
#[track_caller]
pub fn eventually_blocking<L: Look>(within: Duration, mut look: impl FnMut() -> L) -> L::Value {
    let deadline = Instant::now() + within;
    loop {
        match look().value() {
            Ok(value) => return value,
            Err(why) => assert!(Instant::now() < deadline, "not within {within:?}: {why}"),
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_the_value_as_soon_as_it_is_there() {
        let mut looks = 0;
        let found = eventually(Duration::from_secs(10), async || {
            looks += 1;
            (looks == 3).then_some("here")
        })
        .await;
        assert_eq!((found, looks), ("here", 3));
        let mut looks = 0;
        eventually_blocking(Duration::from_secs(10), || {
            looks += 1;
            looks == 3
        });
    }

    #[tokio::test]
    #[should_panic(expected = "not within 20ms: \"too low\"")]
    async fn a_wait_that_is_over_says_what_it_found_last() {
        eventually(Duration::from_millis(20), async || Err::<(), _>("too low")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "did not end")]
    async fn a_look_that_hangs_is_cut_off() {
        eventually(Duration::from_millis(20), async || {
            std::future::pending::<()>().await;
            true
        })
        .await;
    }

    #[test]
    #[should_panic(expected = "still false")]
    fn a_blocking_wait_ends_too() {
        eventually_blocking(Duration::from_millis(20), || false);
    }
}
