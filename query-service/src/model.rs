//! The sources in order: memory where it is believed, else the database, and memory again, marked stale, if that fails.
//!
//! What is read from the database is settled (floors cover it) before it is kept or shown; so a key never goes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use shared::id::{CommandId, ItemId};
use shared::problem::{Problem, ProblemCode};

use crate::cache::entry::{Entry, written};
use crate::cache::{Memory, Missing};
use crate::config::Config;
use crate::document::{Document, PageView};
use crate::following::Following;
use crate::query::lists::ListRequest;
use crate::query::outcomes::Outcome;
use crate::query::{documents, lists, outcomes};
use crate::source::{Loaded, Source, SourceError, Stamp};

/// A list may be this old, counted from when its load began.
const PAGE_AGE: Duration = Duration::from_secs(1);
/// As in [`crate::cache`]: rounds of a cart whose documents were overtaken while they were read.
const ROUNDS: usize = 4;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Memory,
    Database,
}

/// A value, and what the client is told of its freshness.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
    /// The database cannot be read, so something newer may exist.
    pub(crate) is_stale: bool,
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such item")]
    NotFound,
    #[error("the database cannot be read now")]
    Unavailable(#[source] SourceError),
}

type Kept = Arc<Loaded<Entry>>;

/// Everything that this service can be asked for.
#[derive(Debug)]
pub(crate) struct ReadModel {
    source: Source,
    pub(crate) following: Arc<Following>,
    items: Memory<ItemId, Entry>,
    pages: Memory<ListRequest, Bytes>,
}

impl ReadModel {
    /// Nothing in memory yet.
    pub(crate) fn new(source: Source, following: Arc<Following>, config: &Config) -> Self {
        let items = Memory::of_items(config.cache_capacity, config.cache_ttl);
        Self { source, following, items, pages: Memory::of_pages(PAGE_AGE) }
    }

    /// One item with its levels.
    pub(crate) async fn item(&self, id: ItemId) -> Result<Found<Kept>, ReadError> {
        let kept = self.kept(id).await;
        let is_believed = self.following.is_believed();
        if let Some(kept) = &kept
            && is_believed
        {
            return Ok(Found::in_memory(Arc::clone(kept)));
        }
        if !self.following.is_reachable() {
            let stale = kept.and_then(|kept| self.as_stale(kept));
            return stale.map(Found::stale).ok_or_else(|| ReadError::Unavailable(unreachable()));
        }
        // Without a follower that looks, only what was read after the request began is known to be the present.
        let not_before = (!is_believed).then(Instant::now);
        let holds = |stamp: &Stamp| self.is_above_floor(id, stamp) && not_before.is_none_or(|time| stamp.began >= time);
        match self.items.load(&id, || self.load(id), holds).await {
            Ok(loaded) => Ok(Found::in_database(loaded)),
            Err(Missing::Nothing(_)) => Err(ReadError::NotFound),
            Err(Missing::Failed(error)) => {
                kept.and_then(|kept| self.as_stale(kept)).map(Found::stale).ok_or(ReadError::Unavailable(error))
            }
        }
    }

    /// Several items, in their order; what memory does not have is read in one transaction.
    pub(crate) async fn items(&self, ids: &[ItemId]) -> Result<Found<Vec<Option<Kept>>>, ReadError> {
        let mut found = Vec::with_capacity(ids.len());
        for &id in ids {
            found.push(self.kept(id).await);
        }
        let is_believed = self.following.is_believed();
        let wanted = |index: &usize| !is_believed || found[*index].is_none();
        let mut wanted: Vec<usize> = (0..ids.len()).filter(wanted).collect();
        let origin = if wanted.is_empty() { Origin::Memory } else { Origin::Database };
        for _ in 0..ROUNDS {
            if wanted.is_empty() {
                break;
            }
            let loaded = match self.load_several(wanted.iter().map(|&index| ids[index]).collect()).await {
                Ok(loaded) => loaded,
                Err(error) => return self.several_stale(found).ok_or(ReadError::Unavailable(error)),
            };
            let stamp = loaded.stamp;
            for (&index, entry) in wanted.iter().zip(loaded.value) {
                found[index] = entry.map(|value| Arc::new(Loaded { stamp, value }));
            }
            wanted.retain(|&index| !self.is_above_floor(ids[index], &stamp));
        }
        for (&id, kept) in ids.iter().zip(&found) {
            if let (Some(kept), Origin::Database) = (kept, origin) {
                self.items.keep(id, Arc::clone(kept)).await;
            }
        }
        Ok(Found { value: found, origin, is_stale: false })
    }

    /// A page of the catalogue, as JSON. One that was read within the last second will do, unless an outcome told of
    /// something newer, or the client has just waited for a write (`must_be_new`).
    pub(crate) async fn page(&self, request: &ListRequest, must_be_new: bool) -> Result<Found<Bytes>, ReadError> {
        let now = Instant::now();
        let oldest = if must_be_new { now } else { now.checked_sub(PAGE_AGE).unwrap_or(now) };
        let holds = |stamp: &Stamp| stamp.began >= oldest && stamp.sequence >= self.following.told();
        if let Some(kept) = self.pages.kept(request).await.filter(|kept| holds(&kept.stamp)) {
            return Ok(Found::in_memory(kept.value.clone()));
        }
        match self.pages.load(request, || self.load_page(request.clone()), holds).await {
            Ok(loaded) => Ok(Found::in_database(loaded.value.clone())),
            Err(Missing::Nothing(_)) => Err(ReadError::NotFound),
            Err(Missing::Failed(error)) => Err(ReadError::Unavailable(error)),
        }
    }

    /// The final outcome of a command. Once it is returned, no read of this process is older than it.
    pub(crate) async fn outcome(&self, command: CommandId) -> Result<Option<Outcome>, ReadError> {
        let loaded = self.fresh(move |connection| outcomes::outcome(connection, command)).await;
        let outcome = loaded.map_err(ReadError::Unavailable)?.value;
        if let Some(outcome) = &outcome {
            self.following.tell(outcome.sequence);
        }
        Ok(outcome)
    }

    async fn kept(&self, id: ItemId) -> Option<Kept> {
        self.items.kept(&id).await.filter(|kept| self.is_above_floor(id, &kept.stamp))
    }

    fn is_above_floor(&self, id: ItemId, stamp: &Stamp) -> bool {
        stamp.sequence >= self.following.floors.of(id)
    }

    /// What may be shown, marked, while the database cannot be read. Relied on: floors were raised for all that was
    /// followed, so it is not older than anything that was shown of its key; and an outcome that was told is either
    /// followed or older than it.
    fn as_stale(&self, kept: Kept) -> Option<Kept> {
        let told = self.following.told();
        (self.following.sequence() >= told || kept.stamp.sequence >= told).then_some(kept)
    }

    fn several_stale(&self, found: Vec<Option<Kept>>) -> Option<Found<Vec<Option<Kept>>>> {
        let all: Option<Vec<_>> = found.into_iter().map(|kept| self.as_stale(kept?).map(Some)).collect();
        all.map(Found::stale)
    }

    async fn load(&self, id: ItemId) -> Result<Loaded<Entry>, Missing> {
        let read = move |connection: &Connection| Ok(documents::document(connection, id)?.as_ref().map(Entry::of));
        let Loaded { stamp, value } = self.fresh(read).await.map_err(Missing::Failed)?;
        value.map(|value| Loaded { stamp, value }).ok_or(Missing::Nothing(stamp))
    }

    async fn load_several(&self, ids: Vec<ItemId>) -> Result<Loaded<Vec<Option<Entry>>>, SourceError> {
        self.fresh(move |connection| {
            let read = |&id: &ItemId| Ok(documents::document(connection, id)?.as_ref().map(Entry::of));
            ids.iter().map(read).collect()
        })
        .await
    }

    async fn load_page(&self, request: ListRequest) -> Result<Loaded<Bytes>, Missing> {
        let read = move |connection: &Connection| {
            let total = lists::total(connection, &request)?;
            let ids = lists::page(connection, &request)?;
            let documents = ids.into_iter().map(|id| documents::document(connection, id));
            let documents = documents.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<Document>>>()?;
            Ok(written(&PageView::of(&documents, request.page, request.page_size, total)))
        };
        self.fresh(read).await.map_err(Missing::Failed)
    }

    /// Reads the present, and settles it.
    async fn fresh<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Loaded<T>, SourceError> {
        // The follower tries again all the time; requests need not each wait for a connection to fail.
        if !self.following.is_reachable() {
            return Err(unreachable());
        }
        let loaded = self.source.read(read).await?;
        self.following.settle(loaded.stamp.sequence).await;
        Ok(loaded)
    }
}

fn unreachable() -> SourceError {
    SourceError("it cannot be reached".to_owned())
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
            ReadError::NotFound => Self::new(ProblemCode::NotFound, error.to_string()),
            ReadError::Unavailable(source) => {
                Self::new(ProblemCode::SourceUnavailable, format!("{error}: {source}; see /health/ready"))
            }
        }
    }
}
