//! From nothing to writing: the database, the lease, the log; each waited for, with readiness saying for what.
//!
//! Runs on the writer's own thread. What can pass is waited out; what needs an operator halts with a message that
//! names the page.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use kafka::{BrokerState, LogReader, Producer, Start};
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::http::health::Condition;
use shared::lifecycle::{DataHeld, Shutdown};
use tokio::runtime::Handle;

use crate::clock::TimeSource;
use crate::config::{Config, WhenHeld};
use crate::consumer::{Consumer, in_current_span};
use crate::database;
use crate::intake::Intake;
use crate::lease::{Attempt, Candidate, Lease};
use crate::logs::{self, CurrentLog, LogError};
use crate::process::{Existence, Process};
use crate::projector::{self, Projector};
use crate::publisher::{Outlet, Publisher};
use crate::retry::Pauses;
use crate::schema::{self, SchemaError};
use crate::status::{BROKER, DATABASE, LEASE, Role, Status};
use crate::work::{Core, Parts, Threads, Work};
use crate::writer::{Surroundings, Writer};

const LOOK_AT_LEASE_EVERY: Duration = Duration::from_millis(100);
/// A standby must not wait long for a lock that a stopped holder keeps.
const STANDBY_BUSY_TIMEOUT: Duration = Duration::from_millis(100);
const WRITER_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BROKER_TIMEOUT: Duration = Duration::from_millis(500);
const NAP: Duration = Duration::from_millis(100);

/// Brings one listener to work, and through it.
pub struct Supervisor {
    /// The settings.
    pub config: Config,
    /// Whom to tell.
    pub status: Arc<Status>,
    /// For the publisher.
    pub producer: Producer,
    /// For what is asynchronous.
    pub runtime: Handle,
    /// When to end.
    pub shutdown: Shutdown,
}

impl Supervisor {
    /// Until told to stop; an error when it cannot go on.
    pub fn run(self) -> anyhow::Result<()> {
        let Some((mut connection, lease)) = self.become_writer()? else { return Ok(()) };
        let Some((reader, log)) = self.attach(&mut connection, lease)? else {
            return Ok(lease.release(&connection)?);
        };
        let surroundings = Surroundings {
            topic: self.config.topics.commands.clone(),
            retention: self.config.writer.retention,
            published: Arc::clone(&self.status.published),
            time: TimeSource::Machine,
        };
        let writer = Writer::start(connection, lease, log, surroundings)?;
        self.status.begun(writer.sequence(), writer.log().next_offset);
        let intake = Arc::new(Intake::new(self.config.writer.batch_max));
        let consumer = Consumer::spawn(reader, writer.log().clone(), Arc::clone(&intake))?;
        let followers = self.shutdown.later();
        let publisher = self.publisher(followers.clone())?;
        let projector = self.projector(lease, followers.clone())?;
        tracing::info!(
            epoch = lease.epoch,
            log = %writer.log().id,
            next_offset = writer.log().next_offset,
            sequence = writer.sequence(),
            "writing"
        );
        let core = Core::new(Parts {
            writer,
            intake,
            consumer: consumer.signals(),
            status: Arc::clone(&self.status),
            settings: self.config.writer.clone(),
            shutdown: self.shutdown.clone(),
        });
        let ended = Work::new(core, Threads { consumer, publisher, projector, followers }).run();
        self.status.set_role(Role::Standby, lease.epoch);
        Ok(ended?)
    }

    /// The write connection and the lease; `None` if told to stop before.
    fn become_writer(&self) -> anyhow::Result<Option<(Connection, Lease)>> {
        let mut pauses = Pauses::new(self.config.writer.retry_delay, self.config.writer.retry_max_delay);
        let mut failed = None;
        while !self.shutdown.has_begun() {
            let error = match self.contend(&mut failed) {
                Ok(taken) => return Ok(taken),
                Err(Contention::Held(error)) => return Err(error.into()),
                Err(Contention::Newer(error)) => return Err(error.into()),
                Err(Contention::Database(error)) => error,
            };
            self.status.tell(DATABASE, Condition::Down, error.to_string());
            self.nap_for(pauses.next_pause());
        }
        Ok(None)
    }

    /// `failed` is the lease under which a migration failed. It must not be held against this very process, and a full
    /// disk may not have taken its release: so it is given back once more.
    fn contend(&self, failed: &mut Option<Lease>) -> Result<Option<(Connection, Lease)>, Contention> {
        let mut connection = database::open(&self.config.sqlite_path)?;
        if let Some(lease) = *failed {
            lease.release(&connection)?;
        }
        connection.busy_timeout(STANDBY_BUSY_TIMEOUT)?;
        let mut candidate = Candidate::new(self.config.writer.lease);
        while !self.shutdown.has_begun() {
            match candidate.attempt(&mut connection)? {
                Attempt::Taken(lease) => {
                    if let Err(error) = self.migrate(&mut connection, lease) {
                        *failed = Some(lease);
                        let _ = lease.release(&connection);
                        return Err(error);
                    }
                    self.status.tell(DATABASE, Condition::Up, "writing");
                    self.status.tell(LEASE, Condition::Up, format!("held under epoch {}", lease.epoch));
                    self.status.set_role(Role::Active, lease.epoch);
                    return Ok(Some((connection, lease)));
                }
                Attempt::Held { holder, existence, stuck } => self.stand_by(&connection, &holder, existence, stuck)?,
            }
            std::thread::sleep(LOOK_AT_LEASE_EVERY);
        }
        Ok(None)
    }

    /// Who wrote before has lost the lease, so that nobody works on a schema that changes.
    fn migrate(&self, connection: &mut Connection, lease: Lease) -> Result<(), Contention> {
        connection.busy_timeout(WRITER_BUSY_TIMEOUT)?;
        if schema::is_history_behind(connection)? {
            self.status.tell(DATABASE, Condition::Degraded, "bringing the schema up to date");
        }
        let backup =
            schema::migrate(connection, &self.config.sqlite_path, lease).map_err(database::DatabaseError::from)?;
        if let Some(backup) = backup {
            tracing::warn!(backup = %backup.display(), version = schema::LATEST, "the schema was brought up to date");
        }
        Ok(())
    }

    fn stand_by(
        &self,
        connection: &Connection,
        holder: &Process,
        existence: Existence,
        stuck: bool,
    ) -> Result<(), Contention> {
        if self.config.when_held == WhenHeld::Refuse && existence == Existence::Runs {
            return Err(Contention::Held(held_by(&self.config, holder)));
        }
        self.status.tell(DATABASE, Condition::Up, "open, standing by");
        if stuck {
            // A migration is one long transaction without a heartbeat.
            let detail = if schema::is_behind(connection)? {
                format!("{holder} may be bringing the schema up to date: leave it alone while it works")
            } else {
                format!("{holder} stands still and holds the write lock: end it")
            };
            self.status.tell(LEASE, Condition::Down, detail);
        } else {
            self.status.tell(LEASE, Condition::Degraded, format!("standing by: {holder} writes"));
        }
        Ok(())
    }

    /// The log, adopted and assigned; `None` if told to stop before the broker answered.
    fn attach(&self, connection: &mut Connection, lease: Lease) -> anyhow::Result<Option<(LogReader, CurrentLog)>> {
        let reader = LogReader::open(&self.config.kafka, &self.config.topics.commands, &self.config.group_id)?;
        while !self.shutdown.has_begun() {
            match self.try_attach(connection, lease, &reader) {
                Ok(log) => {
                    // What was told of the broker meanwhile was about this reader alone.
                    if *self.producer.state().borrow() == BrokerState::Up {
                        self.status.tell(BROKER, Condition::Up, "connected");
                    }
                    self.status.tell(DATABASE, Condition::Up, "writing");
                    return Ok(Some((reader, log)));
                }
                Err(Unattached::Broker(reason)) => self.status.tell(BROKER, Condition::Down, reason),
                Err(Unattached::Database(error)) => {
                    self.status.tell(DATABASE, Condition::Down, database::DatabaseError::from(error).to_string());
                }
                Err(Unattached::Halted(error)) => return Err(error),
            }
            std::thread::sleep(NAP);
        }
        Ok(None)
    }

    /// The lease is kept between any two calls that may take their whole time.
    fn try_attach(
        &self,
        connection: &mut Connection,
        lease: Lease,
        reader: &LogReader,
    ) -> Result<CurrentLog, Unattached> {
        let accepted = self.config.accept_new_log.as_deref();
        keep(connection, lease)?;
        reader.brokers(BROKER_TIMEOUT)?;
        // The embedded broker was started with them.
        if self.config.kafka.embedded_log().is_none() {
            keep(connection, lease)?;
            self.runtime.block_on(self.config.topics.ensure(&self.config.kafka))?;
        }
        keep(connection, lease)?;
        let id = reader
            .identity(BROKER_TIMEOUT)?
            .ok_or_else(|| Unattached::Broker("the cluster has not told its id".to_owned()))?;
        let bounds = reader.bounds(BROKER_TIMEOUT)?;
        keep(connection, lease)?;
        let mut log = logs::adopt(connection, &id, accepted, Timestamp::wall_clock())?;
        logs::within(connection, &mut log, bounds, accepted)?;
        reader.assign(log.next_offset.map_or(Start::Beginning, Start::At))?;
        Ok(log)
    }

    fn publisher(&self, shutdown: Shutdown) -> std::io::Result<JoinHandle<()>> {
        let path = self.config.sqlite_path.clone();
        let outlet = Outlet {
            producer: self.producer.clone(),
            topics: self.config.topics.clone(),
            status: Arc::clone(&self.status),
            runtime: self.runtime.clone(),
            shutdown,
        };
        std::thread::Builder::new().name("publisher".to_owned()).spawn(in_current_span(move || {
            Publisher::new(path, outlet).run();
        }))
    }

    fn projector(&self, lease: Lease, shutdown: Shutdown) -> std::io::Result<Option<JoinHandle<()>>> {
        let Some(redis) = self.config.redis.clone() else { return Ok(None) };
        let projector = Projector::new(projector::Parts {
            path: self.config.sqlite_path.clone(),
            redis,
            epoch: lease.epoch,
            status: Arc::clone(&self.status),
            runtime: self.runtime.clone(),
            shutdown,
            time: TimeSource::Machine,
        });
        let run = in_current_span(move || projector.run());
        std::thread::Builder::new().name("projector".to_owned()).spawn(run).map(Some)
    }

    fn nap_for(&self, pause: Duration) {
        let started = std::time::Instant::now();
        while started.elapsed() < pause && !self.shutdown.has_begun() {
            std::thread::sleep(NAP.min(pause));
        }
    }
}

fn keep(connection: &Connection, lease: Lease) -> Result<(), Unattached> {
    if lease.beat(connection)? {
        Ok(())
    } else {
        Err(Unattached::Halted(anyhow::anyhow!("another writer has taken over while the broker could not be reached")))
    }
}

/// Why the log is not attached yet; the first two pass.
enum Unattached {
    Broker(String),
    Database(rusqlite::Error),
    Halted(anyhow::Error),
}

impl From<kafka::KafkaError> for Unattached {
    fn from(error: kafka::KafkaError) -> Self {
        Self::Broker(error.to_string())
    }
}

impl From<rusqlite::Error> for Unattached {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<LogError> for Unattached {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Sqlite(error) => Self::Database(error),
            LogError::Another { .. } | LogError::Outside { .. } => Self::Halted(error.into()),
        }
    }
}

enum Contention {
    Held(DataHeld),
    /// It passes by no waiting.
    Newer(SchemaError),
    Database(database::DatabaseError),
}

impl From<database::DatabaseError> for Contention {
    fn from(error: database::DatabaseError) -> Self {
        if let database::DatabaseError::Schema(newer @ SchemaError::Newer { .. }) = error {
            Self::Newer(newer)
        } else {
            Self::Database(error)
        }
    }
}

impl From<rusqlite::Error> for Contention {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What a second start beside a running one says.
pub fn held_by(config: &Config, holder: &Process) -> DataHeld {
    let path = config.sqlite_path.display();
    DataHeld(format!("{path} is held by {holder}; stop it first, or use another SQLITE_PATH"))
}
