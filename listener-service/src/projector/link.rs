//! The connection to Redis: blocking, with a bound on every wait, and each script call as one function.

use std::time::Duration;

use fail::fail_point;
use redis::{
    Client, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, Script,
};
use shared::read_model::{
    self, BY_FACET, ENDED, FACETS, FILLING, ITEMS, LOW_STOCK, MOST_RESERVED, OUTCOMES, Order, RESERVATIONS, ROWS,
    ReservationIndex, SHARED_BEGINNINGS, STATE, STORES, TERMS,
};
use shared::settings::RedisAddress;
use uuid::Uuid;

use super::call::{Batch, Documents};

const PATIENCE: Duration = Duration::from_secs(1);
/// How many keys are looked at in one call.
const KEYS_AT_ONCE: usize = 1000;

/// What holds the read model: a Redis, or a simulated one.
pub trait Cache {
    /// A connection to it.
    type Link: Calls;

    /// Connects.
    fn open(&self) -> Result<Self::Link, Failure>;
}

/// What is asked of it. Each is done at once or not at all, and only if the model is as it is expected to be.
pub trait Calls {
    /// Of the process: another one has another.
    fn run(&self) -> &str;

    /// How the model is.
    fn marks(&mut self) -> Result<Marks, Failure>;

    /// How many keys were evicted since it started.
    fn evicted(&mut self) -> Result<u64, Failure>;

    /// One batch into a whole model.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<Said, Failure>;

    /// The documents of the reservations that ended first; none for one that is missing.
    fn ended_first(&mut self, count: usize) -> Result<Vec<Option<String>>, Failure>;

    /// Says how many reservations in the model have ended.
    fn check(&mut self, expected: &str, heartbeat: &str) -> Result<Said, Failure>;

    /// Empties the model, to be filled.
    fn begin(&mut self, expected: &Marks, filling: &str, generation: Uuid) -> Result<Said, Failure>;

    /// A part of a model that is being filled.
    fn fill(&mut self, expected: &str, next: &str, documents: &Documents) -> Result<Said, Failure>;

    /// Looks at some keys and removes the outcomes among them; says where to go on, `0` at the end.
    fn forget(&mut self, expected: &str, next: &str, cursor: &str) -> Result<Said, Failure>;

    /// Declares it whole. `beside` the state are the superseded logs and the summary.
    fn finish(&mut self, expected: &str, state: &str, beside: [&str; 2], announcement: &str) -> Result<Said, Failure>;
}

impl Cache for RedisAddress {
    type Link = Link;

    fn open(&self) -> Result<Link, Failure> {
        Ok(Link::open(self)?)
    }
}

/// Why a call did not say what came of it.
#[derive(Debug)]
pub enum Failure {
    /// Redis said no, and nothing was done.
    Refused(RedisError),
    /// The connection is of no use any more, and what was asked for may have been done or not.
    Unclear(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        // Only what the server itself wrote has a code.
        if error.code().is_some() { Self::Refused(error) } else { Self::Unclear(error) }
    }
}

/// What a script said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Done; where to go on, if it is of that kind.
    Done(String),
    /// It did nothing, because somebody else wrote: what there is instead.
    Changed(String),
    /// It did nothing, because this key has lost members.
    Incomplete(String),
}

/// What says how the model is: at most one of both is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// The field [`STATE`].
    pub state: Option<String>,
    /// The field [`FILLING`].
    pub filling: Option<String>,
}

/// The scripts; a Redis that has forgotten one is given it again.
struct Scripts {
    apply: Script,
    check: Script,
    begin: Script,
    fill: Script,
    forget: Script,
    finish: Script,
}

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("model.lua"), include_str!($file)))
    };
}

impl Scripts {
    fn new() -> Self {
        Self {
            apply: script!("apply.lua"),
            check: script!("check.lua"),
            begin: script!("begin.lua"),
            fill: script!("fill.lua"),
            forget: script!("forget.lua"),
            finish: script!("finish.lua"),
        }
    }
}

/// One connection.
pub struct Link {
    connection: Connection,
    scripts: Scripts,
    channel: String,
    /// Of the Redis process: another one has another.
    run: String,
}

impl Link {
    /// Connects, within [`PATIENCE`].
    fn open(address: &RedisAddress) -> Result<Self, RedisError> {
        let mut redis = RedisConnectionInfo::default().set_db(address.database);
        if let Some(password) = &address.password {
            redis = redis.set_password(password);
        }
        let info = ConnectionAddr::Tcp(address.host.clone(), address.port).into_connection_info()?;
        let client = Client::open(info.set_redis_settings(redis))?;
        let mut connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let run = info_field(&mut connection, "server", "run_id")?;
        if run.is_empty() {
            // Without it nobody could tell a model that comes back from a dump.
            return Err((ErrorKind::Client, "it does not tell its run_id").into());
        }
        let channel = read_model::channel(address.database);
        Ok(Self { connection, scripts: Scripts::new(), channel, run })
    }
}

impl Calls for Link {
    fn run(&self) -> &str {
        &self.run
    }

    fn marks(&mut self) -> Result<Marks, Failure> {
        let (state, filling) = redis::cmd("HMGET").arg(ITEMS).arg(STATE).arg(FILLING).query(&mut self.connection)?;
        Ok(Marks { state, filling })
    }

    /// How many keys Redis has evicted since it started.
    fn evicted(&mut self) -> Result<u64, Failure> {
        let count = info_field(&mut self.connection, "stats", "evicted_keys")?;
        Ok(count.parse().unwrap_or(0))
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Said, Failure> {
        let mut call = self.scripts.apply.prepare_invoke();
        call.key(keys());
        for (command, _, _) in &batch.outcomes {
            call.key(read_model::outcome_key(*command));
        }
        call.arg(batch.expected).arg(batch.next).arg(batch.superseded).arg(batch.summary);
        call.arg(&self.channel).arg(batch.announcement).arg(batch.deleted.len()).arg(batch.dropped.len());
        batch.documents.write(&mut call);
        for (id, sku) in batch.deleted {
            call.arg(id.to_string()).arg(sku);
        }
        batch.dropped.iter().for_each(|reservation| reservation.write(&mut call));
        for (_, document, seconds) in &batch.outcomes {
            call.arg(document).arg(*seconds);
        }
        fail_point!("projector-call");
        said(call.invoke(&mut self.connection))
    }

    /// The documents of the reservations that ended first; none for one that is missing.
    fn ended_first(&mut self, count: usize) -> Result<Vec<Option<String>>, Failure> {
        // The sentinel comes before them.
        let ids: Vec<String> = redis::cmd("ZRANGE").arg(ENDED).arg(1).arg(count).query(&mut self.connection)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(redis::cmd("HMGET").arg(RESERVATIONS).arg(ids).query(&mut self.connection)?)
    }

    /// Says how many reservations in the model have ended.
    fn check(&mut self, expected: &str, heartbeat: &str) -> Result<Said, Failure> {
        let mut call = self.scripts.check.prepare_invoke();
        call.key(keys()).arg(expected).arg(&self.channel).arg(heartbeat);
        said(call.invoke(&mut self.connection))
    }

    fn begin(&mut self, expected: &Marks, filling: &str, generation: Uuid) -> Result<Said, Failure> {
        let mut call = self.scripts.begin.prepare_invoke();
        call.key(keys());
        call.arg(expected.state.as_deref().unwrap_or_default());
        call.arg(expected.filling.as_deref().unwrap_or_default()).arg(filling);
        call.arg(generation.to_string());
        said(call.invoke(&mut self.connection))
    }

    fn fill(&mut self, expected: &str, next: &str, documents: &Documents) -> Result<Said, Failure> {
        let mut call = self.scripts.fill.prepare_invoke();
        call.key(keys()).arg(expected).arg(next);
        documents.write(&mut call);
        said(call.invoke(&mut self.connection))
    }

    /// Looks at some keys and removes the outcomes among them; says where to go on, `0` at the end.
    fn forget(&mut self, expected: &str, next: &str, cursor: &str) -> Result<Said, Failure> {
        let mut call = self.scripts.forget.prepare_invoke();
        call.key(keys()).arg(expected).arg(next).arg(format!("{OUTCOMES}*")).arg(cursor).arg(KEYS_AT_ONCE);
        said(call.invoke(&mut self.connection))
    }

    /// `beside` the state are the superseded logs and the summary.
    fn finish(&mut self, expected: &str, state: &str, beside: [&str; 2], announcement: &str) -> Result<Said, Failure> {
        let mut call = self.scripts.finish.prepare_invoke();
        call.key(keys()).arg(expected).arg(state).arg(&beside).arg(&self.channel).arg(announcement);
        said(call.invoke(&mut self.connection))
    }
}

/// As `model.lua` has them.
fn keys() -> Vec<&'static str> {
    let items = [ITEMS, ROWS, TERMS, SHARED_BEGINNINGS].into_iter().chain(Order::ALL.map(Order::key));
    let items = items.chain([FACETS, BY_FACET, LOW_STOCK, MOST_RESERVED]);
    let reservations = [RESERVATIONS].into_iter().chain(ReservationIndex::ALL.map(ReservationIndex::key));
    items.chain(reservations).chain([ENDED, STORES]).collect()
}

fn said(reply: Result<(String, String), RedisError>) -> Result<Said, Failure> {
    let (what, detail) = match reply {
        Err(error) if error.code() == Some("WRONGTYPE") => return Ok(Said::Incomplete("something else".to_owned())),
        reply => reply?,
    };
    Ok(match what.as_str() {
        "done" => Said::Done(detail),
        "incomplete" => Said::Incomplete(detail),
        _ => Said::Changed(detail),
    })
}

fn info_field(connection: &mut Connection, section: &str, name: &str) -> Result<String, RedisError> {
    let text: String = redis::cmd("INFO").arg(section).query(connection)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value.unwrap_or_default().trim().to_owned())
}
