//! What happens to listeners: they are killed, at random and at named points; they stand still and come back; two
//! start at once; their disk is full; their clock steps.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Lane, Stage, clock, pause, times};
use crate::arguments::Amounts;
use crate::world::{Listener, World, holder, lock, position};

/// Where the listener is killed: docs/adr/0014.
const POINTS: [&str; 9] = [
    "writer-begin",
    "writer-between",
    "writer-positioned",
    "writer-committed",
    "projector-call",
    "publisher-dead-letter",
    "checkpoint",
    "lease-taking",
    "shutdown",
];
/// Far above what any recovery needs, the outage of a broker included.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Several of them.
const HEARTBEATS: Duration = Duration::from_millis(2500);
/// What a listener says when it finds another epoch, just before it ends.
const FOLLOWED: &str = "another writer has taken over";
/// With nothing else at fault, and a standby that may have to wait for the lease's time.
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

/// The lane. It looks at who holds the lease, and how far the position is.
pub(super) struct Listeners {
    look: Connection,
}

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Kill,
    KillAt(&'static str),
    Zombie,
    ZombieInTransaction,
    TwoAtOnce,
    DiskFull,
    Clock,
}

impl Listeners {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let began = Instant::now();
        // The first listener makes the file.
        while !world.database.exists() && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
        }
        Self { look: world.look() }
    }
}

impl Lane for Listeners {
    type Fault = Fault;

    fn plan(amounts: &Amounts) -> Vec<Fault> {
        let in_transaction = amounts.zombies / 2;
        let points = POINTS.iter().flat_map(|point| times(amounts.kills_at_each_point, Fault::KillAt(point)));
        let others = [Fault::TwoAtOnce, Fault::DiskFull, Fault::Clock];
        times(amounts.listener_kills, Fault::Kill)
            .chain(points)
            .chain(times(in_transaction, Fault::ZombieInTransaction))
            .chain(times(amounts.zombies - in_transaction, Fault::Zombie))
            .chain(others.into_iter().flat_map(|fault| times(amounts.of_each_other, fault)))
            .collect()
    }

    fn act(&mut self, stage: &Stage, fault: &Fault, rng: &mut fastrand::Rng) -> bool {
        pause(rng, 0..1200);
        match fault {
            Fault::Kill => self.kill(stage, rng),
            Fault::KillAt(point) => self.kill_at(stage, point, rng),
            Fault::Zombie => self.zombie(stage, None, rng),
            Fault::ZombieInTransaction => self.zombie(stage, Some(rng.u32(1..100)), rng),
            Fault::TwoAtOnce => self.two_at_once(stage),
            Fault::DiskFull => self.disk_full(stage, rng),
            Fault::Clock => self.clock(stage, rng),
        }
    }
}

/// How things were when a fault began.
struct Mark {
    began: Instant,
    position: i64,
    calm: Option<u64>,
}

impl Listeners {
    /// The one that writes; sometimes both, or the one that stands by, which is no kill of a writer and counted apart.
    fn kill(&self, stage: &Stage, rng: &mut fastrand::Rng) -> bool {
        let which = rng.u32(..10);
        let (killed, left) = match which {
            0 | 1 => (take(stage), Vec::new()),
            2 => self.parted(take(stage), |is_active| !is_active),
            _ => self.parted(take(stage), |is_active| is_active),
        };
        if killed.is_empty() {
            give_back(stage, left);
            return false;
        }
        stage.note(&format!("kill {} of the listeners", killed.len()));
        let mark = self.mark(stage);
        self.end_all(stage, killed);
        give_back(stage, left);
        self.recover(stage, &mark);
        stage.count(if which == 2 { "kill-standby" } else { "kill-listener" });
        which != 2
    }

    /// One with a named point armed becomes the one that writes, and dies there.
    fn kill_at(&self, stage: &Stage, point: &'static str, rng: &mut fastrand::Rng) -> bool {
        let nth = match point {
            "lease-taking" | "shutdown" => 1,
            "publisher-dead-letter" => rng.u32(1..3),
            "checkpoint" => rng.u32(1..4),
            "projector-call" => rng.u32(1..60),
            _ => rng.u32(1..150),
        };
        stage.note(&format!("kill the listener at {point}, the {nth}. time"));
        let mut armed = self.takes_over(stage, &format!("{point}:{nth}:kill"));
        if point == "shutdown" {
            self.until_it_writes(&armed);
            // One that has not reached Kafka yet has nothing to shut down.
            let before = position(&self.look);
            wait("it applies commands", || position(&self.look) > before);
            armed.process.signal("-INT");
        }
        let began = Instant::now();
        while armed.process.runs() && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
        }
        let mark = self.mark(stage);
        let died_there = !armed.process.runs()
            && armed.process.ended().is_none()
            && armed.process.log().contains(&format!("failpoint {point}, time {nth}: Kill"));
        if !died_there {
            let seen = format!("{point} was to be reached, time {nth}; the listener says {}", armed.process.log());
            stage.world.journal().violated("liveness", seen);
        }
        self.end_all(stage, vec![armed]);
        self.recover(stage, &mark);
        if died_there {
            stage.count(&format!("kill-at-{point}"));
        }
        true
    }

    /// It stands still until another one writes, and then goes on: with a transaction open, or wherever it was.
    fn zombie(&self, stage: &Stage, nth: Option<u32>, rng: &mut fastrand::Rng) -> bool {
        let mut still = if let Some(nth) = nth {
            stage.note(&format!("a listener stops in its {nth}. transaction"));
            let armed = self.takes_over(stage, &format!("writer-positioned:{nth}:stop"));
            self.until_it_writes(&armed);
            armed
        } else {
            stage.note("a listener stops");
            let (mut active, left) = self.parted(take(stage), |is_active| is_active);
            give_back(stage, left);
            let Some(active) = active.pop() else { return false };
            active.process.signal("-STOP");
            active
        };
        let pid = still.process.pid();
        wait("it stands still", || is_stopped(pid));
        let mark = self.mark(stage);
        let other = stage.world.listener(stage.world.is_planted(), &[]);
        lock(&stage.world.listeners).push(other);
        // In a transaction it holds the write lock, and whoever follows must end it.
        wait("another one writes", || holder(&self.look).is_some_and(|now| now != pid));
        pause(rng, 0..2000);
        if still.process.runs() {
            still.process.signal("-CONT");
            self.ends_fenced(stage, &mut still);
        }
        stage.world.publishers_ended.fetch_add(1, Ordering::SeqCst);
        self.end_all(stage, vec![still]);
        self.recover(stage, &mark);
        stage.count(if nth.is_some() { "zombie-in-transaction" } else { "zombie" });
        true
    }

    #[expect(clippy::unused_self, reason = "beside the fault that it belongs to")]
    fn ends_fenced(&self, stage: &Stage, still: &mut Listener) {
        let began = Instant::now();
        while still.process.runs() && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
        }
        let is_fenced = !still.process.runs() && still.process.ended() == Some(1) && has_been_followed(still);
        if !is_fenced {
            let seen = format!("a listener that was followed did not find out: {}", still.process.log());
            stage.world.journal().violated("fencing", seen);
        }
    }

    fn two_at_once(&self, stage: &Stage) -> bool {
        stage.note("two listeners start at once");
        let mark = self.mark(stage);
        self.end_all(stage, take(stage));
        self.recover(stage, &mark);
        stage.count("two-listeners-at-once");
        true
    }

    /// No file may grow: what SQLite cannot write is not written, and nothing of it is a dead letter.
    fn disk_full(&self, stage: &Stage, rng: &mut fastrand::Rng) -> bool {
        let Some(base) = self.active(stage) else { return false };
        let most = [0, 4096, 65_536, 1 << 20][rng.usize(..4)];
        stage.note(&format!("the disk is full for the listeners, beyond {most} bytes of a file"));
        let mark = self.mark(stage);
        limit_files(stage, &most.to_string());
        stage.turns_red(&base, "database", "its disk was full");
        pause(rng, 200..3000);
        limit_files(stage, "unlimited");
        self.recover(stage, &Mark { began: Instant::now(), ..mark });
        // Who could not move its heartbeat may have been followed as soon as there was room, and finds out at its next.
        std::thread::sleep(HEARTBEATS);
        let (ended, others) = take_all(stage).into_iter().partition(has_been_followed);
        give_back(stage, others);
        self.end_all(stage, ended);
        self.recover(stage, &self.mark(stage));
        stage.count("disk-full");
        true
    }

    /// It writes with a clock that is an hour off, and steps back.
    fn clock(&self, stage: &Stage, rng: &mut fastrand::Rng) -> bool {
        let clock = clock::Stepping::of(stage, rng);
        stage.note(&format!("a listener's clock is {} s off", clock.seconds()));
        let mark = self.mark(stage);
        self.end_all(stage, take(stage));
        let other = stage.world.listener(stage.world.is_planted(), &clock.environment());
        lock(&stage.world.listeners).push(other);
        self.until_it_moves(stage, &mark);
        clock.step_back();
        pause(rng, 1000..3000);
        let mark = self.mark(stage);
        self.end_all(stage, take(stage));
        self.recover(stage, &mark);
        stage.count("clock-step-listener");
        true
    }

    /// Starts one with this point armed, and ends the others.
    fn takes_over(&self, stage: &Stage, armed: &str) -> Listener {
        let listener = stage.world.listener(true, &[("FAILPOINT", armed.to_owned())]);
        self.end_all(stage, take(stage));
        listener
    }

    fn until_it_writes(&self, listener: &Listener) {
        let pid = listener.process.pid();
        wait("it writes", || holder(&self.look) == Some(pid));
    }

    /// Before the fault: what comes after it is measured from here.
    fn mark(&self, stage: &Stage) -> Mark {
        Mark { began: Instant::now(), position: position(&self.look), calm: stage.world.outside.calm() }
    }

    /// Two again; and the time until commands are applied again.
    fn recover(&self, stage: &Stage, mark: &Mark) {
        let missing = 2 - lock(&stage.world.listeners).len().min(2);
        for _ in 0..missing {
            let listener = stage.world.listener(stage.world.is_planted(), &[]);
            lock(&stage.world.listeners).push(listener);
        }
        self.until_it_moves(stage, mark);
    }

    fn until_it_moves(&self, stage: &Stage, mark: &Mark) {
        wait("the position moves", || position(&self.look) > mark.position);
        let took = mark.began.elapsed();
        if mark.calm.is_some() && stage.world.outside.calm() == mark.calm {
            lock(&stage.tally).recoveries.push(took);
            if took > RECOVERS_WITHIN {
                stage.world.journal().violated("liveness", format!("{took:?} until commands were applied again"));
            }
        }
    }

    /// Those that are to be as they are said to be, and the others.
    fn parted(&self, listeners: Vec<Listener>, is_wanted: fn(bool) -> bool) -> (Vec<Listener>, Vec<Listener>) {
        let active = holder(&self.look);
        listeners.into_iter().partition(|listener| is_wanted(Some(listener.process.pid()) == active))
    }

    /// Where the one answers that writes.
    fn active(&self, stage: &Stage) -> Option<String> {
        let active = holder(&self.look)?;
        let listeners = lock(&stage.world.listeners);
        let listener = listeners.iter().find(|listener| listener.process.pid() == active)?;
        Some(listener.base.clone())
    }

    /// Of these, only who writes has a publisher, which may have published what it has not marked yet.
    fn end_all(&self, stage: &Stage, listeners: Vec<Listener>) {
        for listener in listeners {
            let pid = listener.process.pid();
            if holder(&self.look) == Some(pid) {
                stage.world.publishers_ended.fetch_add(1, Ordering::SeqCst);
            }
            stage.world.journal().note(&format!("kill -9 {pid}"));
            listener.process.kill();
        }
    }
}

/// Takes all that there are; none of them may have ended by itself.
fn take(stage: &Stage) -> Vec<Listener> {
    let mut listeners = take_all(stage);
    for listener in &mut listeners {
        if !listener.process.runs() {
            let (base, log) = (&listener.base, listener.process.log());
            stage.world.journal().violated("liveness", format!("the listener {base} has ended by itself: {log}"));
        }
    }
    listeners
}

fn take_all(stage: &Stage) -> Vec<Listener> {
    std::mem::take(&mut *lock(&stage.world.listeners))
}

fn has_been_followed(listener: &Listener) -> bool {
    listener.process.log().contains(FOLLOWED)
}

fn give_back(stage: &Stage, listeners: Vec<Listener>) {
    lock(&stage.world.listeners).extend(listeners);
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The letter behind the name, which stands in parentheses.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

/// The soft limit alone, which may be raised again; of all listeners, for they share a disk. One that has ended meanwhile
/// has no limit.
fn limit_files(stage: &Stage, most: &str) {
    let limit = format!("--fsize={most}:unlimited");
    for listener in &mut *lock(&stage.world.listeners) {
        if listener.process.runs() {
            let pid = listener.process.pid().to_string();
            let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit");
            assert!(done.success() || !listener.process.runs(), "prlimit {limit} of {pid}");
        }
    }
}
