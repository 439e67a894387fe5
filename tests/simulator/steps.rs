//! One step of one listener, what becomes of it, and what must be so after each.

use std::collections::BTreeMap;

use listener_service::publisher;
use listener_service::work::Ended;
use testkit::checker::{self, History, Origin, Sent};

use crate::listener::Outcome;
use crate::world::World;

impl World {
    pub(crate) fn step_consumer(&mut self, nth: usize) {
        match self.listeners[nth].consume() {
            Outcome::Done(Ok(())) => {}
            Outcome::Done(Err(reason)) => {
                self.violations.push(format!("a consumer ended: {reason}"));
                self.crash(nth);
            }
            Outcome::Died => self.crash(nth),
        }
    }

    /// What it told, and what it died of telling, is in the database.
    fn hold_to_what_was_told(&mut self, nth: usize) {
        let status = &self.listeners[nth].status;
        let (sequence, next_offset) = (*status.sequence().borrow(), *status.next_offset().borrow());
        let durable: (u64, i64) = self
            .reading
            .query_row(
                "SELECT (SELECT coalesce(max(sequence), 0) FROM journal),
                    (SELECT coalesce(max(next_offset), 0) FROM logs WHERE superseded_at IS NULL)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("readable");
        if (sequence, next_offset) > durable || next_offset > durable.1 {
            let told = (sequence, next_offset);
            self.violations.push(format!("told {told:?} (sequence, offset), the database has {durable:?}"));
        }
        if status.published() > durable.0 {
            self.violations.push(format!("published up to {}, the journal ends at {}", status.published(), durable.0));
        }
    }

    /// In the middle of everything: what the database and the cache say must hold then too.
    pub(crate) fn look_in_between(&mut self) {
        let history = self.clients.history(&self.reading).expect("readable");
        let commands = history.commands.into_iter().map(|sent| Sent { unknown: true, accepted: false, ..sent });
        let poison_so_far = self.dead_letters_so_far(history.poison);
        let history = History { commands: commands.collect(), poison: poison_so_far, complete: true };
        let report = checker::check(&self.at.path, &history);
        self.violations.extend(report.violations().map(|(name, text)| format!("in between: {name}: {text}")));
        self.tally.count("looks in between");
    }

    fn dead_letters_so_far(&self, poison: Vec<Origin>) -> Vec<Origin> {
        let mut statement = self
            .reading
            .prepare_cached("SELECT log_id, coalesce(next_offset, 0), superseded_at IS NULL FROM logs")
            .expect("readable");
        let logs = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).expect("readable");
        let logs: BTreeMap<String, (i64, bool)> = logs.collect::<Result<_, _>>().expect("readable");
        let is_reached = |origin: &Origin| {
            logs.get(&origin.log).is_some_and(|(next, is_current)| !is_current || origin.offset < *next)
        };
        poison.into_iter().filter(is_reached).collect()
    }

    pub(crate) fn step_core(&mut self, nth: usize) {
        let ended = self.listeners[nth].work();
        self.hold_to_what_was_told(nth);
        match ended {
            Outcome::Done(Ok(())) => {}
            Outcome::Done(Err(Ended::Fenced(what))) => {
                self.tally.count("fenced");
                if self.has_the_lease(nth) {
                    self.violations.push(format!("the holder of the lease found itself fenced: {what}"));
                }
                self.crash(nth);
            }
            Outcome::Done(Err(ended)) => self.violations.push(format!("the work ended: {ended}")),
            Outcome::Died => {
                self.tally.count("deaths in the writer");
                self.crash(nth);
            }
        }
    }

    fn has_the_lease(&self, nth: usize) -> bool {
        let epoch: i64 =
            self.reading.query_row("SELECT epoch FROM lease", [], |row| row.get(0)).expect("there is a lease");
        epoch == self.listeners[nth].epoch
    }

    pub(crate) fn step_publisher(&mut self, nth: usize) {
        match self.listeners[nth].publish() {
            Outcome::Done(publisher::Step::Progressed | publisher::Step::CaughtUp | publisher::Step::Idle) => {}
            Outcome::Done(publisher::Step::Blocked) => self.tally.count("blocked publishers"),
            Outcome::Died => {
                self.tally.count("deaths in the publisher");
                self.crash(nth);
            }
        }
    }

    pub(crate) fn step_projector(&mut self, nth: usize) {
        match self.listeners[nth].project() {
            Outcome::Done(_) => {}
            Outcome::Died => {
                self.tally.count("deaths in the projector");
                self.crash(nth);
            }
        }
    }
}
