//! What happens next in a run.

use std::time::Duration;

use crate::cache::Slip;
use crate::cache::store::Store;
use crate::listener::Flaky;
use crate::plant::Plant;
use crate::topics::{CUT, Cut};
use crate::world::World;

impl World {
    /// The next thing; `false` when all was sent.
    pub(crate) fn act(&mut self) -> bool {
        if self.listeners.is_empty() {
            self.restart();
        }
        self.bring_what_is_late();
        let nth = self.one();
        match self.random.below(100) {
            0..22 => return self.send(),
            22..36 => self.consume(nth),
            36..52 => self.with(nth, Self::step_core),
            52..62 => self.with(nth, Self::step_publisher),
            62..74 => self.with(nth, Self::step_projector),
            74..79 => self.pass_time(),
            79 => self.look_in_between(),
            80..85 => self.harm_the_database(nth),
            85..90 => self.harm_the_cache(),
            90..94 => self.harm_the_broker(),
            _ => self.end_somebody(),
        }
        true
    }

    /// Mostly the one that has the lease.
    fn one(&mut self) -> usize {
        let alive = self.listeners.len();
        if self.random.chance(70) { alive.saturating_sub(1) } else { self.random.below(alive) }
    }

    fn with(&mut self, nth: usize, step: fn(&mut Self, usize)) {
        if nth < self.listeners.len() {
            step(self, nth);
        }
    }

    fn restart(&mut self) {
        let host = if self.random.chance(50) { "a" } else { "b" };
        let distance = self.random.number(1, 60);
        match self.random.below(10) {
            // It dies while it takes over.
            0 => self.start_with(host, |faults| faults.die_in(distance)),
            1 => self.start_with(host, |faults| faults.interrupt(distance, 1)),
            _ => self.start(host),
        }
    }

    fn consume(&mut self, nth: usize) {
        for _ in 0..self.random.between(1, 10) {
            let alive = self.listeners.len();
            self.with(nth, Self::step_consumer);
            if self.listeners.len() < alive {
                return;
            }
        }
    }

    fn hole(&mut self) -> i64 {
        if self.random.chance(15) { self.random.number(1, 4) } else { 0 }
    }

    /// Something is put on the log: new, again, or poison.
    fn send(&mut self) -> bool {
        let now = self.at.time.wall_clock();
        for _ in 0..self.random.between(1, 4) {
            let hole = self.hole();
            if self.random.chance(6) {
                self.clients.poison(&mut self.random, now, &mut self.at.log.borrow_mut(), &mut self.tally);
                continue;
            }
            let again = self.random.chance(20).then(|| self.clients.again(&mut self.random)).flatten();
            if let Some(id) = again {
                self.tally.count("sent again");
                self.plant_again(id);
                self.clients.send(id, now, &mut self.at.log.borrow_mut(), hole);
                continue;
            }
            let Some((id, after_millis)) = self.clients.next(&mut self.random) else { return false };
            self.at.time.pass(Duration::from_millis(after_millis.unsigned_abs()));
            if self.random.chance(4) {
                self.make_flaky(id);
            }
            self.tally.count("commands");
            let now = self.at.time.wall_clock();
            self.clients.send(id, now, &mut self.at.log.borrow_mut(), hole);
        }
        true
    }

    fn plant_again(&self, id: shared::id::CommandId) {
        if self.plant == Some(Plant::ApplyTwice) {
            self.meddle(&format!("DELETE FROM outcomes WHERE command_id = x'{}'", id.uuid().simple()));
        }
    }

    fn make_flaky(&mut self, command: shared::id::CommandId) {
        let always = self.random.chance(30);
        let changes = if always { i64::MAX } else { self.random.number(3, 40) };
        let flaky = Flaky { command, changes };
        self.flaky.push(flaky);
        let known = self.clients.commands.get_mut(&command).expect("it was made just now");
        (known.may_fail, known.always_fails) = (true, always);
        self.listeners.iter().for_each(|listener| listener.make_flaky(flaky));
        self.tally.count(if always { "commands that always fail" } else { "commands that fail at first" });
    }

    fn pass_time(&mut self) {
        let millis = match self.random.below(10) {
            0..6 => self.random.number(1, 600),
            6..9 => self.random.number(600, 5_000),
            _ => self.random.number(5_000, 60_000),
        };
        self.at.time.pass(Duration::from_millis(millis.unsigned_abs()));
        if self.random.chance(15) {
            self.at.time.step_wall_clock(self.random.number(-3_600_000, 3_600_000));
            self.tally.count("steps of the wall clock");
        }
    }

    fn harm_the_database(&mut self, nth: usize) {
        let Some(listener) = self.listeners.get(nth) else { return };
        let distance = self.random.number(1, 120);
        let kind = self.random.below(6);
        self.tally.count(
            [
                "interrupts armed",
                "deaths armed",
                "deaths after COMMIT armed",
                "commits to fail",
                "checkpoints",
                "full disks",
            ][kind],
        );
        match kind {
            0 => listener.faults.interrupt(distance, self.random.number(1, 6)),
            1 => listener.faults.die_in(distance),
            2 => listener.faults.die_after_commits(self.random.number(1, 3)),
            4 => self.checkpoint(nth),
            3 => listener.faults.fail_commits(self.random.number(1, 5)),
            _ => self.fill_the_disk(nth),
        }
    }

    /// As the writer does when its log has grown, which it does in no run that is so short.
    fn checkpoint(&mut self, nth: usize) {
        let mode = ["PASSIVE", "RESTART", "TRUNCATE"][self.random.below(3)];
        let connection = self.listeners[nth].connection();
        let _ = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
    }

    /// Until the end, or until its process is started again: whoever waits for it in the middle of a batch is ended.
    fn fill_the_disk(&mut self, nth: usize) {
        let room = self.random.number(0, 4);
        self.listeners[nth].fill_the_disk(room);
    }

    fn harm_the_cache(&mut self) {
        let kind = self.random.below(13);
        let (nth, is_done) = (self.random.below(50), self.random.chance(50));
        let mut redis = self.at.redis.borrow_mut();
        let told = match kind {
            0 => {
                redis.store = Store::default();
                "cache: lost all"
            }
            1 => {
                redis.store.lose_key(nth);
                "cache: lost a key"
            }
            2 => {
                let outcome = redis.store.outcomes.keys().nth(nth % redis.store.outcomes.len().max(1)).copied();
                if let Some(command) = outcome {
                    redis.store.outcomes.remove(&command);
                    redis.evicted += 1;
                }
                "cache: evicted"
            }
            3 => {
                let with = if is_done { redis.dump.clone() } else { Store::default() };
                redis.restart(with);
                if is_done { "cache: came back with a dump" } else { "cache: came back empty" }
            }
            4 => {
                redis.dump = redis.store.clone();
                "cache: dumped"
            }
            5 => {
                redis.is_down = !redis.is_down;
                "cache: down or up"
            }
            _ => {
                let slips = [
                    (Slip::Lost, "cache: lost a call"),
                    (Slip::Unanswered, "cache: did not answer"),
                    (Slip::Late, "cache: delayed a call"),
                    (Slip::Late, "cache: delayed a call"),
                    (Slip::Refused, "cache: refused"),
                    (Slip::Dies { done: is_done }, "cache: deaths in a call armed"),
                ];
                let (slip, told) = slips[nth % slips.len()];
                redis.slip = Some(slip);
                told
            }
        };
        drop(redis);
        self.tally.count(told);
    }

    /// Calls of which nobody knew whether they would arrive.
    fn bring_what_is_late(&mut self) {
        let mut redis = self.at.redis.borrow_mut();
        if redis.late.is_empty() || !self.random.chance(8) {
            return;
        }
        for call in std::mem::take(&mut redis.late) {
            redis.perform(&call);
            self.tally.count("cache: late calls came");
        }
    }

    fn harm_the_broker(&mut self) {
        let (written, all) = (self.random.below(12), self.random.below(12));
        let acknowledged = if self.random.chance(40) { 0 } else { all };
        let topic = CUT[self.random.below(CUT.len())];
        let told = match self.random.below(6) {
            0 => {
                let mut log = self.at.log.borrow_mut();
                log.is_down = !log.is_down;
                "broker: log down or up"
            }
            1 => {
                let mut topics = self.at.topics.borrow_mut();
                topics.is_down = !topics.is_down;
                "broker: topics down or up"
            }
            2 | 3 => {
                self.at.topics.borrow_mut().cut = Some(Cut::After { topic, written, acknowledged });
                self.may_repeat = true;
                "broker: lost acknowledgements"
            }
            _ => {
                self.at.topics.borrow_mut().cut = Some(Cut::Dies { written });
                "broker: deaths in a batch armed"
            }
        };
        self.tally.count(told);
    }

    fn end_somebody(&mut self) {
        if self.listeners.is_empty() {
            return;
        }
        let nth = self.one();
        match self.random.below(100) {
            0..35 => self.crash(nth),
            35..55 => {
                self.stop(nth);
            }
            // Another one takes over, and this one has not noticed: it goes on.
            55..92 => {
                if self.listeners.len() < 3 {
                    self.may_repeat = true;
                    self.tally.count("takeovers");
                    self.restart();
                }
            }
            _ => {
                if self.random.chance(40) {
                    self.exchange_log();
                }
            }
        }
    }
}
