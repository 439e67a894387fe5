//! Where time comes from, and the writer's clock, which never goes back, neither while running nor over a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use shared::clock::Timestamp;

/// Where time comes from.
#[derive(Debug, Clone, Default)]
pub enum TimeSource {
    /// The machine's clocks.
    #[default]
    Machine,
    /// Clocks that go only as they are moved.
    Simulated(Arc<SimulatedTime>),
}

/// The clocks of a simulated machine. The monotonic one goes by naps and by [`Self::pass`] alone; the wall clock goes with
/// it, and can be set.
#[derive(Debug)]
pub struct SimulatedTime {
    began: Instant,
    passed_micros: AtomicI64,
    /// By how much the wall clock is ahead of what has passed.
    wall_millis: AtomicI64,
    /// How many naps may be taken.
    naps: AtomicI64,
}

/// What a nap unwinds with that was not allowed: whoever took it is dead.
#[derive(Debug)]
pub struct Killed;

impl SimulatedTime {
    /// Begins at a time of the wall clock.
    pub fn at(wall_clock: Timestamp) -> Self {
        Self {
            began: Instant::now(),
            passed_micros: AtomicI64::new(0),
            wall_millis: AtomicI64::new(wall_clock.millis()),
            naps: AtomicI64::new(i64::MAX),
        }
    }

    /// Both clocks go on.
    pub fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.passed_micros.fetch_add(micros, Ordering::AcqRel);
    }

    /// After so many naps, whoever takes another is killed: it unwinds with [`Killed`], in the middle of what it does.
    pub fn allow_naps(&self, naps: i64) {
        self.naps.store(naps, Ordering::Release);
    }

    fn nap(&self, time: Duration) {
        if self.naps.fetch_sub(1, Ordering::AcqRel) <= 0 {
            // No hook for panics is called: it is nobody's fault.
            std::panic::resume_unwind(Box::new(Killed));
        }
        self.pass(time);
    }

    /// Somebody sets the wall clock by so many milliseconds.
    pub fn step_wall_clock(&self, millis: i64) {
        self.wall_millis.fetch_add(millis, Ordering::AcqRel);
    }

    /// The wall clock.
    pub fn wall_clock(&self) -> Timestamp {
        let passed = self.passed_micros.load(Ordering::Acquire) / 1000;
        Timestamp::from_millis(self.wall_millis.load(Ordering::Acquire) + passed)
    }

    fn instant(&self) -> Instant {
        let passed = self.passed_micros.load(Ordering::Acquire);
        self.began + Duration::from_micros(u64::try_from(passed).unwrap_or(0))
    }
}

impl TimeSource {
    /// What the wall clock shows.
    pub fn wall_clock(&self) -> Timestamp {
        match self {
            Self::Machine => Timestamp::wall_clock(),
            Self::Simulated(time) => time.wall_clock(),
        }
    }

    /// The monotonic clock. What has passed since is told by [`Self::since`] alone, not by the machine.
    pub fn instant(&self) -> Instant {
        match self {
            Self::Machine => Instant::now(),
            Self::Simulated(time) => time.instant(),
        }
    }

    /// What has passed on the monotonic clock.
    pub fn since(&self, earlier: Instant) -> Duration {
        self.instant().saturating_duration_since(earlier)
    }

    /// Lets time pass, on the machine by sleeping.
    pub fn nap(&self, time: Duration) {
        match self {
            Self::Machine => std::thread::sleep(time),
            Self::Simulated(simulated) => simulated.nap(time),
        }
    }

    /// How long to wait for another thread. In simulated time there is none, so nothing comes by waiting.
    pub fn patience(&self, most: Duration) -> Duration {
        match self {
            Self::Machine => most,
            Self::Simulated(_) => Duration::ZERO,
        }
    }

    /// Whether time is simulated, so that nothing may be left to chance.
    pub fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }
}

/// max(wall clock at start, last journaled) + what has passed since, by the monotonic clock.
#[derive(Debug)]
pub struct WriterClock {
    source: TimeSource,
    start: Timestamp,
    started: Instant,
}

impl WriterClock {
    /// Goes on from `last_journaled`, or from the wall clock if that is later.
    pub fn start(last_journaled: Timestamp, source: TimeSource) -> Self {
        let start = source.wall_clock().max(last_journaled);
        Self { started: source.instant(), source, start }
    }

    /// No later than either clock says. What is dropped for its age is measured by it: a wall clock that was once far
    /// ahead must not make everything old.
    pub fn cautious_now(&self) -> Timestamp {
        self.now().min(self.source.wall_clock())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let passed = self.source.since(self.started).as_millis();
        self.start.plus_millis(i64::try_from(passed).unwrap_or(i64::MAX))
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
    fn a_simulated_clock_goes_as_it_is_moved_and_no_step_of_the_wall_clock_moves_the_writers() {
        let time = Arc::new(SimulatedTime::at(Timestamp::from_millis(1000)));
        let source = TimeSource::Simulated(Arc::clone(&time));
        let clock = WriterClock::start(Timestamp::from_millis(5000), source.clone());
        assert_eq!(clock.now().millis(), 5000);
        source.nap(Duration::from_millis(500));
        assert_eq!((clock.now().millis(), source.wall_clock().millis()), (5500, 1500));
        time.step_wall_clock(-1_000_000);
        assert_eq!((clock.now().millis(), source.wall_clock().millis()), (5500, -998_500));
        assert_eq!(clock.cautious_now().millis(), -998_500);
    }
}
