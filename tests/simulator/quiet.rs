//! After the last fault: everybody works on until nothing is left to do, and that must not take for ever.

use std::time::Duration;

use crate::world::World;

/// Rounds after the last fault; a run that is not at rest by then never is.
const ROUNDS: usize = 1500;

impl World {
    pub(crate) fn end_faults(&mut self) {
        self.at.log.borrow_mut().is_down = false;
        let mut topics = self.at.topics.borrow_mut();
        (topics.is_down, topics.cut) = (false, None);
        drop(topics);
        let mut redis = self.at.redis.borrow_mut();
        (redis.is_down, redis.slip) = (false, None);
        drop(redis);
        for listener in &self.listeners {
            listener.faults.disarm();
            listener.free_the_disk();
        }
        if self.listeners.is_empty() {
            self.start("a");
        }
    }

    /// Everybody works on until nothing is left to do.
    pub(crate) fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            for nth in (0..self.listeners.len()).rev() {
                self.round_of(nth);
            }
            if self.listeners.is_empty() {
                self.start("a");
            }
            self.at.time.pass(Duration::from_millis(100));
            quiet = if self.is_at_rest() { quiet + 1 } else { 0 };
            // Long enough for every deadline, and for what is tried again later.
            if quiet == 1 {
                self.at.time.pass(Duration::from_mins(1));
            }
            if quiet == 4 {
                return;
            }
        }
        self.violations.push("it does not come to rest".to_owned());
    }

    fn round_of(&mut self, nth: usize) {
        let before = self.started_and_alive();
        for step in
            [Self::step_consumer, Self::step_consumer, Self::step_core, Self::step_publisher, Self::step_projector]
        {
            if self.started_and_alive() == before {
                step(self, nth);
            }
        }
    }

    fn started_and_alive(&self) -> (i32, usize) {
        (self.started, self.listeners.len())
    }

    fn is_at_rest(&self) -> bool {
        let [listener] = &self.listeners[..] else { return false };
        let writer = listener.writer();
        let sequence = writer.sequence();
        let is_projected =
            listener.status.read_model().is_some_and(|model| model.is_whole && model.sequence == sequence);
        listener.has_taken_all()
            && listener.status.published() == sequence
            && !writer.has_watermark_to_store()
            && is_projected
            && writer.until_deadline().is_none_or(|left| !left.is_zero())
    }
}
