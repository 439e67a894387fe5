//! The read model in Redis, as the projector of listener-service keeps it ([`shared::read_model`]).
//!
//! Every answer comes with the state that it is of, read in the same call. Without a state of this very Redis process
//! the model is not whole: something may be missing or out of date, and nothing of it is believed.

mod filters;
mod link;
mod lists;
mod overviews;
mod reservations;

use std::sync::Arc;

use redis::{FromRedisValue, RedisResult, cmd};
use serde::de::DeserializeOwned;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::read_model::{
    ITEMS, ItemDocument, RESERVATIONS, SENTINEL, STATE, STORES, SUPERSEDED, State, StoreAsOf, StoredOutcome,
    StoredReservation, outcome_key,
};
use shared::settings::RedisAddress;
use shared::text::StoreId;
use tokio::sync::Semaphore;

use crate::source::Stamp;
use crate::together::Together;
use link::{Answer, Link};
pub(crate) use lists::Page;
pub(crate) use reservations::Stretch;

const SCRIPTS_AT_ONCE: usize = 4;
/// How many items one call reads: their answers are one after the other on the connection.
const TOGETHER: usize = 64;

/// What a key or a field holds, if it is there.
type Text = Option<Vec<u8>>;

/// Why Redis does not answer a question. Each is passing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Miss {
    #[error("Redis cannot be reached")]
    Unreachable,
    #[error("the read model in Redis is not whole")]
    NotWhole,
    #[error("the read model in Redis is behind")]
    Behind,
    #[error("too many lists are being read from Redis")]
    Busy,
    #[error("the read model in Redis does not have this")]
    NotKept,
}

/// What was found, and which state of the model it is of.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) state: Arc<State>,
    pub(crate) began: std::time::Instant,
    pub(crate) value: T,
}

/// The reading side of the model.
#[derive(Debug)]
pub(crate) struct RedisModel {
    link: Link,
    /// Scripts hold up every reader of Redis: few at once, so that their queue there stays short.
    turns: Semaphore,
    /// Single items that are asked for at the same moment.
    together: Together<ItemId, Result<Found<Option<ItemDocument>>, Miss>>,
}

impl RedisModel {
    /// Connects to nothing yet.
    pub(crate) fn new(address: RedisAddress, is_only_source: bool) -> RedisResult<Self> {
        let link = Link::new(address, is_only_source)?;
        Ok(Self { link, turns: Semaphore::new(SCRIPTS_AT_ONCE), together: Together::default() })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &RedisAddress {
        self.link.address()
    }

    /// Connects whenever there is no connection, and makes the calls that several share; does not end by itself.
    pub(crate) async fn keep_open(&self, connected: impl Fn()) {
        tokio::join!(self.link.keep_open(connected), self.read_together());
    }

    async fn read_together(&self) {
        loop {
            let (ids, asking) = self.together.asked(TOGETHER).await;
            match self.items(&ids).await {
                Ok(Found { state, began, value }) => {
                    asking.tell(value.into_iter().map(|value| Ok(Found { state: Arc::clone(&state), began, value })));
                }
                Err(miss) => asking.tell(std::iter::repeat_with(|| Err(miss.clone()))),
            }
        }
    }

    /// Why there was no connection last.
    pub(crate) fn trouble(&self) -> String {
        self.link.trouble()
    }

    /// A connection that hears what the projector announces.
    pub(crate) async fn subscribe(&self) -> RedisResult<redis::aio::PubSub> {
        self.link.subscribe(&shared::read_model::channel(self.link.address().database)).await
    }

    /// How far the model is, and the logs that were consumed before the present one.
    pub(crate) async fn state(&self) -> Result<Found<Vec<String>>, Miss> {
        let call = cmd("HMGET").arg(ITEMS).arg(STATE).arg(SUPERSEDED).to_owned();
        let answer: Answer<(Text, Text)> = self.query(call).await?;
        let (state, superseded) = &answer.value;
        let superseded = superseded.as_deref().ok_or(Miss::NotWhole).and_then(readable)?;
        Ok(whole(state.as_deref(), &answer)?.with(superseded))
    }

    /// One item; `None` if it does not exist.
    pub(crate) async fn item(&self, id: ItemId) -> Result<Found<Option<ItemDocument>>, Miss> {
        self.together.ask(id).await.unwrap_or(Err(Miss::Unreachable))
    }

    /// Several items, in their order; `None` for those that do not exist.
    pub(crate) async fn items(&self, ids: &[ItemId]) -> Result<Found<Vec<Option<ItemDocument>>>, Miss> {
        let mut call = cmd("HMGET");
        call.arg(ITEMS).arg(STATE);
        for id in ids {
            call.arg(id.to_string());
        }
        let mut answer: Answer<Vec<Text>> = self.query(call).await?;
        let mut fields = std::mem::take(&mut answer.value).into_iter();
        let found = whole(fields.next().flatten().as_deref(), &answer)?;
        let items = fields.map(|document| document.map(item).transpose());
        Ok(found.with(items.collect::<Result<_, _>>()?))
    }

    /// A reservation; `None` if there never was one.
    pub(crate) async fn reservation(&self, id: ReservationId) -> Result<Found<Option<StoredReservation>>, Miss> {
        let found = self.beside::<StoredReservation>(RESERVATIONS, &id.to_string()).await?;
        // It may have been, and ended long ago.
        let may_be_dropped = found.value.is_none() && found.state.reservations_from > 0;
        if may_be_dropped { Err(Miss::NotKept) } else { Ok(found) }
    }

    /// A store; `None` if there is none.
    pub(crate) async fn store(&self, id: &StoreId) -> Result<Found<Option<StoreAsOf>>, Miss> {
        self.beside(STORES, id.as_str()).await
    }

    /// A document of a hash that is not that of the items.
    async fn beside<T: DeserializeOwned>(&self, hash: &str, id: &str) -> Result<Found<Option<T>>, Miss> {
        let mut both = redis::pipe();
        both.atomic().hget(ITEMS, STATE).hmget(hash, &[SENTINEL, id]);
        let both = &both;
        let call = |mut connection| async move { both.query_async::<(Text, Vec<Text>)>(&mut connection).await };
        let answer = self.link.call(call).await?;
        let (state, fields) = &answer.value;
        let [generation, document] = fields.as_slice() else { return Err(Miss::NotWhole) };
        let found = whole(state.as_deref(), &answer)?;
        is_of(&found.state, generation.as_deref())?;
        Ok(found.with(document.as_deref().map(readable).transpose()?))
    }

    /// The outcome of a command, if it is there: `None` says nothing about it by itself.
    pub(crate) async fn outcome(&self, command: CommandId) -> Result<Found<Option<StoredOutcome>>, Miss> {
        let key = outcome_key(command);
        let mut both = redis::pipe();
        // One after the other in one transaction: an outcome that the state covers is there.
        both.atomic().hget(ITEMS, STATE).get(key);
        let both = &both;
        let call = |mut connection| async move { both.query_async::<(Text, Text)>(&mut connection).await };
        let answer = self.link.call(call).await?;
        let (state, outcome) = &answer.value;
        let outcome = outcome.as_deref().map(readable).transpose()?;
        Ok(whole(state.as_deref(), &answer)?.with(outcome))
    }

    async fn query<T: FromRedisValue>(&self, call: redis::Cmd) -> Result<Answer<T>, Miss> {
        let call = &call;
        self.link.call(|mut connection| async move { call.query_async(&mut connection).await }).await
    }
}

/// The state, unless it is missing or of another process: then it came back from a dump, and may be of any time.
fn whole<T>(state: Option<&[u8]>, answer: &Answer<T>) -> Result<Found<()>, Miss> {
    let state: State = readable(state.ok_or(Miss::NotWhole)?)?;
    if *state.run != *answer.run {
        return Err(Miss::NotWhole);
    }
    Ok(Found { state: Arc::new(state), began: answer.began, value: () })
}

/// Whether a hash beside that of the items was begun with this model, and nothing of it was lost since.
fn is_of(state: &State, generation: Option<&[u8]>) -> Result<(), Miss> {
    let is_so = generation.is_some_and(|generation| generation == state.generation.to_string().as_bytes());
    if is_so { Ok(()) } else { Err(Miss::NotWhole) }
}

fn readable<T: DeserializeOwned>(json: &[u8]) -> Result<T, Miss> {
    serde_json::from_slice(json).map_err(|error| unreadable(&error))
}

fn item(text: Vec<u8>) -> Result<ItemDocument, Miss> {
    ItemDocument::read(text.into()).map_err(|error| unreadable(&error))
}

/// What is in Redis is something else than it should be.
fn unreadable(error: &impl std::error::Error) -> Miss {
    tracing::error!(%error, "what is in Redis cannot be read: is its projector of another version?");
    Miss::NotWhole
}

impl<T> Found<T> {
    /// The same, of another value.
    fn with<U>(self, value: U) -> Found<U> {
        Found { state: self.state, began: self.began, value }
    }

    /// The same, of what is made of the value.
    pub(crate) fn map<U>(self, value: impl FnOnce(T) -> U) -> Found<U> {
        Found { state: self.state, began: self.began, value: value(self.value) }
    }

    /// When it was read, and as of which sequence.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { sequence: self.state.sequence, began: self.began }
    }
}
