//! The clock of one connection, for hyper: a timer for each request, all of them on one alarm of tokio's.
//!
//! hyper begins a new time-out with each request and drops it once the head is there. Were each an alarm of its own, it
//! would go into tokio's wheel and out again, behind a lock that all connections share. Here one alarm stays in the wheel
//! as long as the connection lives, and is set anew only when it rings for a request that is long answered.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use tokio::time::{Instant, Sleep};

type Alarm = Arc<Mutex<Option<Pin<Box<Sleep>>>>>;

/// For one connection: all that it times is polled by one task.
#[derive(Default)]
pub(super) struct ConnectionTimer(Alarm);

impl rt::Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(std::time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Due { deadline: deadline.into(), alarm: Arc::clone(&self.0) })
    }
}

/// Ready from its deadline on.
struct Due {
    deadline: Instant,
    alarm: Alarm,
}

impl rt::Sleep for Due {}

impl Future for Due {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline)));
        // It must not ring too late, and may ring for an earlier request.
        if alarm.deadline() > self.deadline {
            alarm.as_mut().reset(self.deadline);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Timer as _;

    const MOMENT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn each_ends_at_its_own_time_whichever_the_alarm_was_set_for() {
        let timer = ConnectionTimer::default();
        let started = Instant::now();
        // Begun and dropped, as when the head came in time: the alarm is left too early for the next.
        assert!(tokio::time::timeout(MOMENT, timer.sleep(2 * MOMENT)).await.is_err());
        timer.sleep(4 * MOMENT).await;
        assert!(started.elapsed() >= 5 * MOMENT);
        // And here too late.
        assert!(tokio::time::timeout(MOMENT, timer.sleep(LONG)).await.is_err());
        timer.sleep(2 * MOMENT).await;
        assert!((8 * MOMENT..LONG).contains(&started.elapsed()));
    }
}
