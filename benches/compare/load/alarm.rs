//! An alarm that is on time. Tokio's timers have a resolution of a millisecond, so that whatever is due in the same one would
//! be sent at once: bursts that no clients make, and that a server which gets all of them answers at less cost.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Rings once for each time that it is set.
pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    #[expect(
        deprecated,
        reason = "unsound for who closes the descriptor meanwhile; this one is owned, and its successor unsafe"
    )]
    pub(crate) fn new() -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Waits until then; not at all for what is past.
    pub(crate) async fn until(&self, due: Instant) -> anyhow::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let timer =
            Itimerspec { it_interval: Timespec::try_from(Duration::ZERO)?, it_value: Timespec::try_from(left)? };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
        let mut rung = self.0.readable().await?;
        rustix::io::read(self.0.get_ref(), &mut [0; 8])?;
        rung.clear_ready();
        Ok(())
    }
}
