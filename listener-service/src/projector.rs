//! The projector: the journal, in its order, to the read model in Redis (docs/adr/0008).
//!
//! One script call does everything of a batch, and only on the state that the last one left: a call that comes late,
//! a second projector and a Redis that lost something change nothing that a reader could see. It reads with a
//! connection of its own; a Redis that is down or slow holds up nobody.

pub mod call;
mod fill;
pub mod link;
mod pauses;
mod source;
mod takeover;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use shared::http::health::Condition;
use shared::lifecycle::Shutdown;
use shared::settings::RedisAddress;
use tokio::runtime::Handle;

use crate::clock::TimeSource;
use crate::database;
use crate::giving_way::give_way;
use crate::status::{ReadModel, Status};
use fill::Fill;
use link::{Cache, Calls, Failure, Marks, Said};
use pauses::Pauses;
use source::{Position, Snapshot};
use whole::Model;

/// The dependency "the Redis that holds the read model".
pub const REDIS: &str = "redis";
/// How often it is looked at whether the model is still whole, and said that it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const _: () = assert!(LOOK_EVERY.as_millis() < shared::read_model::HEARTBEAT_MILLIS as u128);

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something, and there may be more.
    Progressed,
    /// All is projected.
    Idle,
    /// Redis or the database does not let it now.
    Blocked,
    /// Another listener writes: this one must project no more.
    Fenced,
}

/// What a projector needs.
pub struct Parts<C = RedisAddress> {
    /// The database file.
    pub path: PathBuf,
    /// Where the read model is.
    pub redis: C,
    /// The lease under which it projects.
    pub epoch: i64,
    /// Whom to follow, and whom to tell.
    pub status: Arc<Status>,
    /// Where news is waited for.
    pub runtime: Handle,
    /// When to end.
    pub shutdown: Shutdown,
    /// Where pauses are measured.
    pub time: TimeSource,
}

/// Follows the journal.
pub struct Projector<C: Cache = RedisAddress> {
    parts: Parts<C>,
    /// Opened when first needed, and again after an error.
    connection: Option<Connection>,
    /// Likewise.
    link: Option<C::Link>,
    phase: Phase,
    /// What a call would have made of the phase, of which nobody knows whether it ran.
    unclear: Option<Phase>,
    pauses: Pauses,
    looked: Option<Instant>,
    /// In which life of Redis this process has had a whole model: outcomes that are left there are of this journal.
    was_whole_in: Option<String>,
    /// Redis evicts, and that was said.
    has_warned: bool,
    /// How many reservations that have ended are kept.
    ended_kept: usize,
}

/// What it knows of the model.
#[derive(Debug, Clone)]
enum Phase {
    /// It must look; if there is a reason, then what is there must not be taken over.
    Unknown(Option<String>),
    /// It fills a new one.
    Filling(Fill),
    /// There is a whole one.
    Whole(Model),
}

impl Phase {
    /// What Redis has in this phase, and in which of its lives.
    fn marks(&self) -> Option<(Marks, &str)> {
        match self {
            Self::Unknown(_) => None,
            Self::Filling(fill) => Some((Marks { state: None, filling: Some(fill.text()) }, &fill.run)),
            Self::Whole(model) => Some((Marks { state: Some(model.text.clone()), filling: None }, &model.state.run)),
        }
    }
}

/// Why a step did not end.
enum Fault {
    Redis(Failure),
    Sqlite(rusqlite::Error),
    Fenced,
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Redis(failure)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl<C: Cache> Projector<C> {
    /// Connects to nothing yet.
    pub fn new(parts: Parts<C>) -> Self {
        let pauses = Pauses::by(parts.time.clone());
        Self {
            parts,
            connection: None,
            link: None,
            phase: Phase::Unknown(None),
            unclear: None,
            pauses,
            looked: None,
            was_whole_in: None,
            has_warned: false,
            ended_kept: shared::read_model::ENDED_KEPT,
        }
    }

    /// It keeps so many reservations that have ended: for tests, to which the usual number is too great.
    #[must_use]
    pub fn keeping(mut self, ended: usize) -> Self {
        self.ended_kept = ended;
        self
    }

    /// Projects until told to stop, then what is left, at most until the deadline. Ends before only if another listener
    /// has taken over.
    pub fn run(mut self) {
        let Parts { shutdown, runtime, .. } = &self.parts;
        let (shutdown, runtime) = (shutdown.clone(), runtime.clone());
        let (mut sequence, mut next_offset) = (self.parts.status.sequence(), self.parts.status.next_offset());
        loop {
            let began = Instant::now();
            // Asked before the journal is, as the publisher does.
            let is_ending = shutdown.has_begun();
            let step = self.step();
            // What is half filled is of no use to anybody.
            let has_more = step == Step::Progressed && matches!(self.phase, Phase::Whole(_));
            if step == Step::Fenced || shutdown.is_expired() || (is_ending && !has_more) {
                return;
            }
            match step {
                Step::Progressed | Step::Fenced => give_way(&self.parts.status, began),
                Step::Blocked => std::thread::sleep(LOOK_EVERY),
                Step::Idle => runtime.block_on(async {
                    tokio::select! {
                        _ = sequence.changed() => {}
                        _ = next_offset.changed() => {}
                        () = shutdown.begun() => {}
                        () = tokio::time::sleep(self.until_next_look()) => {}
                    }
                }),
            }
        }
    }

    /// Does the next thing that there is to do.
    pub fn step(&mut self) -> Step {
        match self.try_step() {
            Ok(step) => step,
            Err(Fault::Redis(Failure::Refused(error))) => self.blocked(format!("Redis refuses: {error}")),
            Err(Fault::Redis(Failure::Unclear(error))) => {
                self.link = None;
                self.parts.status.projected(Some(ReadModel::default()));
                self.blocked(format!("Redis does not answer: {error}"))
            }
            Err(Fault::Sqlite(error)) => {
                self.connection = None;
                self.blocked(format!("the database cannot be read now: {error}"))
            }
            Err(Fault::Fenced) => {
                self.parts.status.tell(REDIS, Condition::Degraded, "another listener projects");
                self.parts.status.projected(None);
                Step::Fenced
            }
        }
    }

    fn try_step(&mut self) -> Result<Step, Fault> {
        if self.connection.is_none() {
            self.connection = Some(database::open_read_only(&self.parts.path)?);
        }
        if self.link.is_none() {
            self.connect()?;
        }
        match self.phase.clone() {
            Phase::Unknown(reason) => self.take_over(reason),
            Phase::Filling(fill) => self.fill_on(&fill),
            Phase::Whole(model) => self.follow(model),
        }
    }

    /// Goes on where the last call left off, if that can be told.
    fn connect(&mut self) -> Result<(), Fault> {
        let mut link = self.parts.redis.open()?;
        let found = (link.marks()?, link.run());
        let candidates = [self.unclear.take(), Some(self.phase.clone())].into_iter().flatten();
        match candidates.into_iter().find(|phase| phase.marks().as_ref() == Some(&found)) {
            Some(phase) => self.enter(phase),
            None if self.phase.marks().is_some() => self.lose(None),
            None => {}
        }
        self.link = Some(link);
        Ok(())
    }

    /// Calls Redis; `next` is what comes after it. Without an answer that it is done the model is to be looked at anew.
    fn call(
        &mut self,
        next: Phase,
        call: impl FnOnce(&mut C::Link) -> Result<Said, Failure>,
    ) -> Result<Option<String>, Fault> {
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        match call(link) {
            Ok(Said::Done(detail)) => {
                self.enter(next);
                return Ok(Some(detail));
            }
            Ok(Said::Changed(found)) => {
                tracing::warn!(found, "the read model is not as it was left");
                metrics::counter!("inventory_projector_refused_total").increment(1);
                self.lose(None);
            }
            Ok(Said::Incomplete(key)) => self.lose(Some(format!("{key} has lost members"))),
            Err(Failure::Unclear(error)) => {
                self.unclear = Some(next);
                return Err(Failure::Unclear(error).into());
            }
            Err(refused @ Failure::Refused(_)) => return Err(refused.into()),
        }
        Ok(None)
    }

    fn enter(&mut self, phase: Phase) {
        let status = &self.parts.status;
        match &phase {
            Phase::Unknown(_) => status.projected(Some(ReadModel::default())),
            Phase::Filling(fill) => {
                status.tell(REDIS, Condition::Degraded, "the read model is being filled");
                status.projected(Some(ReadModel::new(fill.generation, 0, false)));
            }
            Phase::Whole(model) => {
                metrics::gauge!("inventory_projector_sequence").set(as_gauge(model.state.sequence));
                self.was_whole_in = Some(model.state.run.clone());
                status.projected(Some(ReadModel::new(model.state.generation, model.state.sequence, true)));
            }
        }
        self.phase = phase;
    }

    /// The model is to be looked at anew; with a reason it is to be filled again, whatever is there.
    fn lose(&mut self, reason: Option<String>) {
        let stood_for = match &self.phase {
            Phase::Whole(model) => self.parts.time.since(model.whole_since),
            Phase::Filling(_) | Phase::Unknown(_) => Duration::ZERO,
        };
        self.pauses.lost(stood_for);
        self.enter(Phase::Unknown(reason));
    }

    fn blocked(&self, reason: String) -> Step {
        self.parts.status.tell(REDIS, Condition::Degraded, reason);
        Step::Blocked
    }

    /// The database as it is now, if it is still this listener's to write.
    fn snapshot(&self) -> Result<(Snapshot<'_>, Position), Fault> {
        let connection = self.connection.as_ref().expect("opened at the beginning of the step");
        let snapshot = Snapshot::of(connection)?;
        let position = snapshot.position()?;
        if position.epoch == self.parts.epoch { Ok((snapshot, position)) } else { Err(Fault::Fenced) }
    }

    fn until_next_look(&self) -> Duration {
        self.looked.map_or(Duration::ZERO, |looked| LOOK_EVERY.saturating_sub(self.parts.time.since(looked)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; exact up to 2^53 entries")]
fn as_gauge(sequence: u64) -> f64 {
    sequence as f64
}
