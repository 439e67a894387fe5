//! The sources in order: Redis, memory where it is believed, the database; and memory again, marked stale, if the
//! database is there and fails. Each may be missing, but not all that hold the truth: Redis or the database.
//!
//! Two rules make the sources one. What is shown raises the floor of its key, or floors cover it already; and nothing
//! below the floor of its key, or below an outcome that was told, is shown. So no key goes back, wherever it is read.

mod documents;
mod history;
mod outcomes;
pub(crate) mod overviews;
mod pages;
mod reservations;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use shared::aggregate::{AggregateId, AggregateKind};
use shared::problem::{FieldError, Problem, ProblemCode};
use shared::read_model::State;
use tokio::sync::Notify;

use crate::cache::Memory;
use crate::cache::entry::Entry;
use crate::catalogue::Catalogue;
use crate::catalogue::keeper::Keeper;
use crate::config::Config;
use crate::following::{Following, LIST_AGE};
use crate::query::lists::ListRequest;
use crate::redis_model::{Miss, RedisModel};
use crate::source::{Loaded, Source, SourceError, Stamp};
use crate::together::Together;
use overviews::Overview;

/// As in [`crate::cache`]: rounds of reads that were overtaken while they were made.
const ROUNDS: usize = 4;
/// How many rows of a list one request looks at, so that none keeps a connection for long: it goes on with its cursor.
const MOST_LOOKED_AT: usize = 20_000;
/// How long a read waits until a model that was filled anew is known to be of the history followed here.
const BELIEF_WAIT: Duration = Duration::from_millis(20);

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Redis,
    Memory,
    Database,
}

/// A value, and what the client is told of its freshness.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
    /// The source cannot be read, so something newer may exist.
    pub(crate) is_stale: bool,
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such {}", noun(*.0))]
    NotFound(AggregateKind),
    #[error("not everything up to then has happened yet")]
    Future,
    #[error("the source cannot be read now")]
    Unavailable(#[source] SourceError),
    #[error("this cannot be answered without the database")]
    NeedsDatabase(&'static str),
}

/// A document as memory has it.
pub(crate) type Kept = Arc<Loaded<Entry>>;

/// Everything that this service can be asked for.
#[derive(Debug)]
pub(crate) struct ReadModel {
    redis: Option<Arc<RedisModel>>,
    database: Option<Source>,
    pub(crate) following: Arc<Following>,
    /// Tells the follower of announcements that the model is of another generation than it knows.
    surprise: Arc<Notify>,
    documents: Memory<AggregateId, Entry>,
    /// Documents that memory does not have.
    together: Together<AggregateId, Result<Loaded<Option<Entry>>, SourceError>>,
    /// The catalogue, and who keeps it young; none without a database.
    keeper: Option<Keeper>,
    pages: Memory<ListRequest, Bytes>,
    overviews: Memory<Overview, Bytes>,
}

/// What a model reads from; at least one of the two.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) redis: Option<Arc<RedisModel>>,
    pub(crate) database: Option<Source>,
}

impl ReadModel {
    /// Nothing in memory yet.
    pub(crate) fn new(sources: Sources, following: Arc<Following>, surprise: Arc<Notify>, config: &Config) -> Self {
        let documents = Memory::of_documents(config.cache_capacity, config.cache_ttl);
        let (pages, overviews) = (Memory::of_bodies(LIST_AGE), Memory::of_bodies(config.cache_ttl));
        let Sources { redis, database } = sources;
        let keeper = database.clone().map(|database| Keeper {
            catalogue: Arc::new(Catalogue::new(config.cache_capacity)),
            database,
            following: Arc::clone(&following),
        });
        Self {
            redis,
            database,
            following,
            surprise,
            documents,
            together: Together::default(),
            keeper,
            pages,
            overviews,
        }
    }

    /// Whether a state of the model in Redis is of the history that is followed here.
    async fn is_of_ours(&self, state: &State) -> bool {
        if self.following.believes(state.generation) {
            return true;
        }
        if self.database.is_some() {
            // Whoever watches the model compares it with the database; meanwhile that is read.
            return false;
        }
        self.surprise.notify_one();
        let mut generation = self.following.generation();
        let believed = generation.wait_for(|believed| *believed == Some(state.generation));
        tokio::time::timeout(BELIEF_WAIT, believed).await.is_ok_and(|believed| believed.is_ok())
    }

    /// Whether what Redis or, without it, memory has may be out of date although nobody knows of anything newer.
    fn is_stale(&self) -> bool {
        self.database.is_none() && !self.following.is_current()
    }

    /// What no source holds, but follows from how far the one that is followed has come.
    pub(crate) fn as_told<T>(&self, value: T) -> Found<T> {
        let origin = if self.database.is_some() { Origin::Database } else { Origin::Redis };
        Found { value, origin, is_stale: self.is_stale() }
    }

    fn in_redis<T>(&self, value: T) -> Found<T> {
        Found { value, origin: Origin::Redis, is_stale: self.is_stale() }
    }

    /// Reads the present in the database, and settles it.
    async fn fresh<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Loaded<T>, SourceError> {
        self.settled(self.reachable()?.read(read)).await
    }

    /// The follower tries again all the time; requests need not each wait for a connection to fail.
    fn reachable(&self) -> Result<&Source, SourceError> {
        self.database.as_ref().filter(|_| self.following.is_reachable()).ok_or_else(SourceError::unreachable)
    }

    /// What was read, once floors cover it.
    async fn settled<T>(
        &self,
        read: impl Future<Output = Result<Loaded<T>, SourceError>>,
    ) -> Result<Loaded<T>, SourceError> {
        let loaded = read.await?;
        self.following.settle(loaded.stamp.sequence).await;
        Ok(loaded)
    }

    /// Which stamps may stand on a list that nobody tells of changes; `must_be_new` if the client has waited for a write.
    fn list_holds(&self, must_be_new: bool) -> impl Fn(&Stamp) -> bool {
        let now = Instant::now();
        let oldest = if must_be_new { now } else { now.checked_sub(LIST_AGE).unwrap_or(now) };
        move |stamp| stamp.began >= oldest && stamp.sequence >= self.following.told()
    }

    fn is_above_floor(&self, key: &AggregateId, stamp: &Stamp) -> bool {
        stamp.sequence >= self.following.floors.of(key)
    }
}

const fn noun(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Item => "item",
        AggregateKind::Reservation => "reservation",
        AggregateKind::Store => "store",
    }
}

impl From<Miss> for SourceError {
    fn from(miss: Miss) -> Self {
        Self(miss.to_string())
    }
}

impl From<Miss> for ReadError {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::NotKept => Self::NeedsDatabase("the read model in Redis does not have it"),
            Miss::Unreachable | Miss::NotWhole | Miss::Behind | Miss::Busy => Self::Unavailable(miss.into()),
        }
    }
}

impl<T> Found<T> {
    const fn in_memory(value: T) -> Self {
        Self { value, origin: Origin::Memory, is_stale: false }
    }

    const fn in_database(value: T) -> Self {
        Self { value, origin: Origin::Database, is_stale: false }
    }

    const fn stale(value: T) -> Self {
        Self { value, origin: Origin::Memory, is_stale: true }
    }

    /// The same, of another value.
    pub(crate) fn map<U>(self, value: impl FnOnce(T) -> U) -> Found<U> {
        Found { value: value(self.value), origin: self.origin, is_stale: self.is_stale }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::NotFound(_) => Self::new(ProblemCode::NotFound, error.to_string()),
            ReadError::Future => Self::fields(vec![FieldError {
                field: "asOf".to_owned(),
                code: "OUT_OF_RANGE",
                detail: format!("is in the future: {error}"),
            }]),
            ReadError::Unavailable(source) => {
                Self::new(ProblemCode::SourceUnavailable, format!("{error}: {source}; see /health/ready"))
            }
            ReadError::NeedsDatabase(what) => {
                Self::new(ProblemCode::SourceUnavailable, format!("{error}: {what}; ask a query-service that has it"))
            }
        }
    }
}
