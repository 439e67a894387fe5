//! One run: everything that happens in it follows from its seed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use listener_service::clock::SimulatedTime;
use rusqlite::{Connection, OpenFlags};
use shared::clock::Timestamp;
use shared::id::CommandId;
use uuid::Uuid;

use crate::cache::Redis;
use crate::faults::Faults;
use crate::listener::{Flaky, Listener, Outcome, Surrounding, new_database};
use crate::log::{Log, shared};
use crate::plant::Plant;
use crate::random::Random;
use crate::rest::{self, Held};
use crate::sending::Clients;
use crate::tally::Tally;
use crate::topics::Topics;

/// 2026-01-01.
const BEGINNING: i64 = 1_767_225_600_000;
/// What came of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<String>,
    /// What tells this run from another.
    pub(crate) trace: String,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) at: Surrounding,
    pub(crate) clients: Clients,
    pub(crate) tally: Tally,
    pub(crate) plant: Option<Plant>,
    /// The one that was started last is the last.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) flaky: Vec<Flaky>,
    pub(crate) may_repeat: bool,
    pub(crate) started: i32,
    logs: usize,
    pub(crate) violations: Vec<String>,
    /// A reader beside all others.
    pub(crate) reading: Connection,
    _folder: tempfile::TempDir,
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

/// Runs it on a thread of its own, for some of what is counted is kept by thread.
pub(crate) fn run(seed: u64, plant: Option<Plant>) -> Run {
    let running = std::thread::spawn(move || World::new(seed, plant).run());
    running.join().unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        let violations = vec![format!("panicked: {}", text.unwrap_or_default())];
        Run { tally: Tally::default(), violations, trace: String::new() }
    })
}

impl World {
    fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut random = Random::of(seed);
        let folder = folder();
        let path: PathBuf = folder.path().join("inventory.db");
        new_database(&path);
        let at = Surrounding {
            path,
            time: Arc::new(SimulatedTime::at(Timestamp::from_millis(BEGINNING))),
            log: shared(Log::new(1, random.number(0, 3))),
            topics: shared(Topics { plant, ..Topics::default() }),
            redis: shared(Redis::new(plant)),
            batch_max: random.between(1, 12),
            ended_kept: random.between(1, 6),
        };
        let turns = random.between(40, 110);
        let reading = Connection::open(&at.path).expect("opened");
        Self {
            random,
            at,
            clients: Clients::new(seed, turns),
            tally: Tally::default(),
            plant,
            listeners: Vec::new(),
            flaky: Vec::new(),
            may_repeat: false,
            started: 0,
            logs: 1,
            violations: Vec::new(),
            reading,
            _folder: folder,
        }
    }

    fn run(mut self) -> Run {
        self.start("a");
        while self.act() {}
        self.end_faults();
        self.come_to_rest();
        if self.plant == Some(Plant::RewindPosition) {
            self.meddle("UPDATE logs SET next_offset = next_offset - 1 WHERE superseded_at IS NULL");
        }
        let now = self.listeners.last().map_or(self.at.time.wall_clock(), |last| last.writer().clock_now());
        self.at_rest(now);
        let trace = format!("{} {:?}", self.tally, self.at.topics.borrow().messages.len());
        Run { tally: self.tally, violations: self.violations, trace }
    }

    /// Somebody writes to the database who should not.
    pub(crate) fn meddle(&self, sql: &str) {
        let connection = Connection::open(&self.at.path).expect("opened");
        connection.execute_batch(sql).expect("done");
    }

    pub(crate) fn look(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.at.path, flags).expect("opened")
    }

    /// A listener is started on a host; if another works, that one will find that it has lost the lease.
    pub(crate) fn start(&mut self, host: &str) {
        self.start_with(host, |_| ());
    }

    pub(crate) fn start_with(&mut self, host: &str, arm: impl FnOnce(&Faults)) {
        self.started += 1;
        if self.plant == Some(Plant::SkipPosition) {
            let end = self.at.log.borrow().next_offset;
            self.meddle(&format!("UPDATE logs SET next_offset = {end} WHERE superseded_at IS NULL"));
        }
        let faults = Arc::new(Faults::new(Arc::clone(&self.at.time)));
        arm(&faults);
        let started = crate::listener::mortal(&self.at.time, crate::listener::NAPS_MAX, || {
            Listener::start(&self.at, host, self.started, Arc::clone(&faults), &self.flaky)
        });
        self.tally.count("starts");
        match started {
            Outcome::Done(Ok(listener)) if !faults.is_dead() => self.listeners.push(listener),
            Outcome::Done(_) | Outcome::Died => self.tally.count("starts that failed"),
        }
    }

    /// The process is gone, and with it all that it had not written down.
    pub(crate) fn crash(&mut self, nth: usize) {
        let listener = self.listeners.remove(nth);
        self.count_faults(&listener);
        self.may_repeat = true;
        self.tally.count("crashes");
    }

    fn count_faults(&mut self, listener: &Listener) {
        let of = |count: &std::sync::atomic::AtomicI64| usize::try_from(count.load(Ordering::Acquire)).unwrap_or(0);
        self.tally.add("interrupts", of(&listener.faults.interrupts));
        self.tally.add("failed commits", of(&listener.faults.failed_commits));
    }

    /// One that ends in order.
    pub(crate) fn stop(&mut self, nth: usize) {
        let listener = self.listeners.remove(nth);
        self.count_faults(&listener);
        listener.faults.disarm();
        // What it could not publish before, whoever follows does.
        let is_cut = self.at.topics.borrow().cut.is_some() || self.at.topics.borrow().is_down;
        self.may_repeat |= is_cut;
        match listener.stop() {
            Outcome::Done(()) => self.tally.count("stops"),
            Outcome::Died => {
                self.may_repeat = true;
                self.tally.count("deaths in shutdown");
            }
        }
    }

    /// The embedded broker's process is gone, and with it its log and its listeners.
    pub(crate) fn exchange_log(&mut self) {
        while !self.listeners.is_empty() {
            self.crash(0);
        }
        let connection = self.look();
        let position: Option<i64> = connection
            .query_row("SELECT max(next_offset) FROM logs WHERE superseded_at IS NULL", [], |row| row.get(0))
            .expect("it has a log");
        let mut statement = connection.prepare("SELECT command_id FROM outcomes").expect("readable");
        let ids = statement.query_map([], |row| row.get::<_, Uuid>(0)).expect("readable");
        let ended: BTreeSet<CommandId> = ids.map(|id| CommandId::from_uuid(id.expect("readable"))).collect();
        self.clients.log_is_gone(&self.at.log.borrow(), position.unwrap_or(0), &ended);
        self.logs += 1;
        self.at.log = shared(Log::new(self.logs, 0));
        self.tally.count("exchanged logs");
    }

    fn at_rest(&mut self, now: Timestamp) {
        let (topics, redis) = (self.at.topics.borrow(), self.at.redis.borrow());
        let log_end = self.at.log.borrow().records.last().map(|last| last.offset + 1);
        let held = Held {
            path: &self.at.path,
            clients: &self.clients,
            topics: &topics,
            redis: &redis,
            log_end,
            may_repeat: self.may_repeat,
            now,
        };
        self.violations.extend(rest::violations(&held));
        let tally = &mut self.tally;
        tally.add("messages published", topics.messages.len());
        tally.add("guarded calls", redis.guarded);
        tally.add("looks at the cache", redis.watch.looks);
        let count = |sql: &str| {
            let connection = Connection::open(&self.at.path).expect("opened");
            connection.query_row(sql, [], |row| row.get::<_, usize>(0)).expect("counted")
        };
        tally.add("dead letters", count("SELECT count(*) FROM dead_letters"));
        tally.add("applied", count("SELECT count(*) FROM outcomes WHERE status = 'applied'"));
        tally.add("rejected", count("SELECT count(*) FROM outcomes WHERE status = 'rejected'"));
        tally.add("expiries", count("SELECT count(*) FROM journal WHERE event_type = 'ReservationExpired'"));
        tally.add("exhausted", count("SELECT count(*) FROM dead_letters WHERE code = 'RETRIES_EXHAUSTED'"));
        drop((topics, redis));
        while let Some(listener) = self.listeners.pop() {
            self.count_faults(&listener);
        }
    }
}
