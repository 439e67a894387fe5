//! One listener: the real core, consumer, publisher and projector, on simulated surroundings.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::Topics as Names;
use listener_service::clock::{Killed, SimulatedTime, TimeSource};
use listener_service::config::WriterOptions;
use listener_service::consumer::{Consuming, Signals};
use listener_service::intake::Intake;
use listener_service::lease::{Attempt, Candidate, Lease};
use listener_service::process::Process;
use listener_service::projector::{self, Projector};
use listener_service::published::Published;
use listener_service::publisher::{self, Outlet, Publisher};
use listener_service::status::Status;
use listener_service::work::{Core, Ended, Parts};
use listener_service::writer::{Surroundings, Writer};
use listener_service::{database, logs, schema};
use rusqlite::Connection;
use shared::http::health::Readiness;
use shared::id::CommandId;
use shared::lifecycle::Shutdown;
use tokio::runtime::{Handle, Runtime};

use crate::cache::{Address, Redis};
use crate::faults::Faults;
use crate::log::{Log, Reader, Shared};
use crate::topics::{Sender, Topics};

pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// Longer than any run: what is too old is another test's.
const RETENTION: Duration = Duration::from_hours(168);
/// A step that naps more often does not come to an end.
pub(crate) const NAPS_MAX: i64 = 3_000;
/// So often one naps that waits for a disk that is full, before it is ended.
const NAPS_FOR_A_DISK: i64 = 30;

/// What all listeners of a run share.
#[derive(Clone)]
pub(crate) struct Surrounding {
    pub(crate) path: PathBuf,
    pub(crate) time: Arc<SimulatedTime>,
    pub(crate) log: Shared<Log>,
    pub(crate) topics: Shared<Topics>,
    pub(crate) redis: Shared<Redis>,
    pub(crate) batch_max: usize,
    pub(crate) ended_kept: usize,
}

/// A command that fails each time until the connection has changed so many rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flaky {
    pub(crate) command: CommandId,
    pub(crate) changes: i64,
}

pub(crate) struct Listener {
    core: Core,
    consuming: Consuming<Reader>,
    pub(crate) publisher: Publisher<Sender>,
    pub(crate) projector: Projector<Address>,
    pub(crate) status: Arc<Status>,
    pub(crate) faults: Arc<Faults>,
    time: Arc<SimulatedTime>,
    batch_max: usize,
    /// Messages that were handed over and not taken yet, at most.
    handed: usize,
    has_full_disk: bool,
    pub(crate) epoch: i64,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// The process died in it.
    Died,
}

/// Nothing waits there: it is asked for by what could.
fn handle() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    RUNTIME.get_or_init(build).handle().clone()
}

/// Runs what may kill the process that runs it.
pub(crate) fn mortal<T>(time: &SimulatedTime, naps: i64, work: impl FnOnce() -> T) -> Outcome<T> {
    time.allow_naps(naps);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(work));
    time.allow_naps(i64::MAX);
    match ended {
        Ok(done) => Outcome::Done(done),
        Err(panic) if panic.is::<Killed>() => Outcome::Died,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn process(host: &str, number: i32) -> Process {
    Process {
        boot_id: host.to_owned(),
        pid_namespace: "simulated".to_owned(),
        pid: number,
        // No process of this machine started then, so one on the same host is seen to be gone.
        start_time: -1,
        host: host.to_owned(),
    }
}

/// Takes the lease; waits for it, if it is held on another host.
fn contend(connection: &mut Connection, at: &Surrounding, me: Process) -> Result<Lease, String> {
    let mut candidate = Candidate::of(me, LEASE, TimeSource::Simulated(Arc::clone(&at.time)));
    for _ in 0..3 {
        if let Attempt::Taken(lease) = candidate.attempt(connection).map_err(|error| error.to_string())? {
            return Ok(lease);
        }
        at.time.pass(LEASE);
    }
    Err("the lease is not given up".to_owned())
}

/// Opens the database, takes the lease, and makes the writer that goes on with the log.
fn take_over(
    at: &Surrounding,
    me: Process,
    faults: &Arc<Faults>,
    published: Arc<Published>,
) -> Result<(Writer, Lease), String> {
    let mut connection = database::open(&at.path).map_err(|error| error.to_string())?;
    connection.busy_timeout(Duration::ZERO).map_err(|error| error.to_string())?;
    faults.install(&connection);
    let lease = contend(&mut connection, at, me)?;
    schema::migrate(&mut connection, &at.path, lease).map_err(|error| error.to_string())?;
    let (id, bounds) = (at.log.borrow().id.clone(), at.log.borrow().bounds());
    let mut log = logs::adopt(&mut connection, &id, None, at.time.wall_clock()).map_err(|error| error.to_string())?;
    logs::within(&connection, &mut log, bounds, None).map_err(|error| error.to_string())?;
    let surroundings = Surroundings {
        topic: "inventory.commands".to_owned(),
        retention: RETENTION,
        published,
        time: TimeSource::Simulated(Arc::clone(&at.time)),
    };
    let writer = Writer::start(connection, lease, log, surroundings).map_err(|error| error.to_string())?;
    Ok((writer, lease))
}

impl Listener {
    /// Starts as a supervisor does; not if the database or the log does not let it.
    pub(crate) fn start(
        at: &Surrounding,
        host: &str,
        number: i32,
        faults: Arc<Faults>,
        flaky: &[Flaky],
    ) -> Result<Self, String> {
        let time = TimeSource::Simulated(Arc::clone(&at.time));
        let status = Arc::new(Status::new(Readiness::new("simulated", &[])));
        let (writer, lease) = take_over(at, process(host, number), &faults, Arc::clone(&status.published))?;
        status.begun(writer.sequence(), writer.log().next_offset);
        let (intake, signals) = (Arc::new(Intake::new(at.batch_max)), Arc::new(Signals::new()));
        let position = Cell::new(writer.log().next_offset.unwrap_or(0));
        let (was_told, committed) = (Cell::new(false), Cell::new(time.instant()));
        let reader = Reader { log: Rc::clone(&at.log), position, was_told, committed, time: time.clone() };
        let consuming =
            Consuming::new(reader, writer.log().clone(), Arc::clone(&intake), Arc::clone(&signals), time.clone());
        let shutdown = Shutdown::new();
        let outlet = outlet(at, &status, &shutdown);
        let projector = Projector::new(projector::Parts {
            path: at.path.clone(),
            redis: Address(Rc::clone(&at.redis)),
            epoch: lease.epoch,
            status: Arc::clone(&status),
            runtime: handle(),
            shutdown: shutdown.clone(),
            time,
        });
        let core = Core::new(Parts {
            writer,
            intake: Arc::clone(&intake),
            consumer: signals,
            status: Arc::clone(&status),
            settings: options(at.batch_max),
            shutdown,
        });
        let listener = Self {
            core,
            consuming,
            publisher: Publisher::new(at.path.clone(), outlet),
            projector: projector.keeping(at.ended_kept),
            status,
            faults,
            time: Arc::clone(&at.time),
            batch_max: at.batch_max,
            handed: 0,
            has_full_disk: false,
            epoch: lease.epoch,
        };
        for one in flaky {
            listener.make_flaky(*one);
        }
        Ok(listener)
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.core.writer().connection()
    }

    pub(crate) fn writer(&self) -> &Writer {
        self.core.writer()
    }

    /// From now on this command fails on this connection.
    pub(crate) fn make_flaky(&self, Flaky { command, changes }: Flaky) {
        let (id, count) = (command.uuid().simple(), if changes < i64::MAX { "total_changes()" } else { "0" });
        self.faults.suspend(true);
        let so_far: i64 = self.connection().query_row("SELECT total_changes()", [], |row| row.get(0)).unwrap_or(0);
        let until = so_far.saturating_add(changes);
        let made = self.connection().execute_batch(&format!(
            "CREATE TEMP TRIGGER IF NOT EXISTS flaky_{id} BEFORE INSERT ON main.outcomes
             WHEN NEW.command_id = x'{id}' AND NEW.status <> 'dead_lettered' AND {count} < {until}
             BEGIN SELECT RAISE(ABORT, 'planted'); END"
        ));
        self.faults.suspend(false);
        made.expect("a trigger");
    }

    /// So many more pages, and the disk is full.
    pub(crate) fn fill_the_disk(&mut self, room: i64) {
        self.has_full_disk = true;
        let pages: i64 = self.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap_or(1);
        self.limit(pages + room);
    }

    pub(crate) fn free_the_disk(&self) {
        self.limit(1_000_000);
    }

    fn limit(&self, pages: i64) {
        self.faults.suspend(true);
        self.connection().pragma_update(None, "max_page_count", pages).expect("limited");
        self.faults.suspend(false);
    }

    /// The log's next message, if the intake has room. An error ends a real one.
    pub(crate) fn consume(&mut self) -> Outcome<Result<(), String>> {
        // One that is full is waited for by a thread, and here there is none.
        if self.handed >= self.batch_max {
            return Outcome::Done(Ok(()));
        }
        self.handed += 1;
        mortal(&self.time, NAPS_MAX, || self.consuming.step())
    }

    pub(crate) fn work(&mut self) -> Outcome<Result<(), Ended>> {
        self.handed = 0;
        let naps = if self.has_full_disk { NAPS_FOR_A_DISK } else { NAPS_MAX };
        let ended = mortal(&self.time, naps, || self.core.step());
        if self.faults.is_dead() { Outcome::Died } else { ended }
    }

    pub(crate) fn publish(&mut self) -> Outcome<publisher::Step> {
        mortal(&self.time, NAPS_MAX, || self.publisher.step().expect("the database can be read"))
    }

    pub(crate) fn project(&mut self) -> Outcome<projector::Step> {
        mortal(&self.time, NAPS_MAX, || self.projector.step())
    }

    /// Whether nothing is left between the log and the database.
    pub(crate) fn has_taken_all(&self) -> bool {
        let log_end = self.log_end();
        self.writer().log().next_offset == log_end || log_end.is_none()
    }

    fn log_end(&self) -> Option<i64> {
        let log = &self.consuming.reader().log.borrow();
        log.records.last().map(|last| last.offset + 1)
    }

    /// Ends as a process does that is asked to: what is left is followed, and the lease given back.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let time = Arc::clone(&self.time);
        mortal(&time, NAPS_MAX, || {
            // Nobody publishes for ever.
            for _ in 0..100 {
                if !matches!(self.publisher.step(), Ok(publisher::Step::Progressed)) {
                    break;
                }
            }
            for _ in 0..100 {
                if self.projector.step() != projector::Step::Progressed {
                    break;
                }
            }
            self.core.stop();
        })
    }
}

fn outlet(at: &Surrounding, status: &Arc<Status>, shutdown: &Shutdown) -> Outlet<Sender> {
    Outlet {
        producer: Sender::to(Rc::clone(&at.topics)),
        topics: Names::default(),
        status: Arc::clone(status),
        runtime: handle(),
        shutdown: shutdown.clone(),
    }
}

fn options(batch_max: usize) -> WriterOptions {
    WriterOptions {
        batch_max,
        max_retries: 3,
        retry_delay: Duration::from_millis(50),
        retry_max_delay: Duration::from_secs(1),
        lease: LEASE,
        retention: RETENTION,
    }
}

/// A database with the present schema, made once and copied for each run.
pub(crate) fn new_database(path: &Path) {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        let mut connection = database::open(&path).expect("opened");
        let Ok(Attempt::Taken(lease)) = Candidate::new(LEASE).attempt(&mut connection) else { panic!("it is new") };
        schema::migrate(&mut connection, &path, lease).expect("migrated");
        lease.release(&connection).expect("released");
        drop(connection);
        std::fs::read(&path).expect("read")
    });
    std::fs::write(path, template).expect("written");
}
