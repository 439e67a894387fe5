//! What Redis has of the whole inventory: low stock, most reserved, the sums, the stores.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::{Script, ScriptInvocation, cmd};
use shared::read_model::{
    ITEMS, LOW_STOCK, MOST_RESERVED, Order, ROWS, SENTINEL, STATE, STORES, SUMMARY, StoreAsOf, StoredItem,
    StoredSummary,
};

use super::link::Answer;
use super::lists::stored;
use super::{Found, Miss, RedisModel, Text, is_of, readable, unreadable, whole};

static LOW: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("low.lua"))));
static MOST: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("most.lua"))));

/// State, members of the set of low levels, the documents of their items, each once.
type LowReply = (Text, Vec<String>, Vec<Text>);
/// State, documents.
type MostReply = (Text, Vec<Text>);

impl RedisModel {
    /// At most `limit` levels that are low, after this SKU and store: their items, each with the stores.
    pub(crate) async fn low_levels(
        &self,
        (sku, store): (&str, &str),
        limit: u32,
    ) -> Result<Found<Vec<(StoredItem, Vec<String>)>>, Miss> {
        let mut invocation = of_items(&LOW, LOW_STOCK);
        invocation.arg(format!("{sku}\n{store}")).arg(limit);
        let answer: Answer<LowReply> = self.run(&invocation).await?;
        let (state, members, documents) = &answer.value;
        let places: Vec<_> = members.iter().map(|member| member.split_once('\n').unwrap_or_default()).collect();
        let of_items = places.chunk_by(|(one, _), (other, _)| one == other);
        let stores = of_items.map(|places| places.iter().map(|(_, store)| (*store).to_owned()).collect());
        let levels = items(documents)?.into_iter().zip(stores).collect();
        Ok(whole(state.as_deref(), &answer)?.with(levels))
    }

    /// At most `limit` items, the most reserved first.
    pub(crate) async fn most_reserved(&self, limit: u32) -> Result<Found<Vec<StoredItem>>, Miss> {
        let mut invocation = of_items(&MOST, MOST_RESERVED);
        invocation.arg(limit);
        let answer: Answer<MostReply> = self.run(&invocation).await?;
        let (state, documents) = &answer.value;
        Ok(whole(state.as_deref(), &answer)?.with(items(documents)?))
    }

    /// What is in stock and what it costs.
    pub(crate) async fn summary(&self) -> Result<Found<StoredSummary>, Miss> {
        let call = cmd("HMGET").arg(ITEMS).arg(STATE).arg(SUMMARY).to_owned();
        let answer: Answer<(Text, Text)> = self.query(call).await?;
        let (state, summary) = &answer.value;
        let summary = summary.as_deref().ok_or(Miss::NotWhole).and_then(readable)?;
        Ok(whole(state.as_deref(), &answer)?.with(summary))
    }

    /// Every store, in the order of their ids.
    pub(crate) async fn stores(&self) -> Result<Found<Vec<StoreAsOf>>, Miss> {
        let mut both = redis::pipe();
        both.atomic().hget(ITEMS, STATE).hgetall(STORES);
        let both = &both;
        let call = |mut connection| async move {
            both.query_async::<(Text, BTreeMap<String, Vec<u8>>)>(&mut connection).await
        };
        let mut answer = self.link.call(call).await?;
        let generation = answer.value.1.remove(SENTINEL);
        let (state, stores) = &answer.value;
        let found = whole(state.as_deref(), &answer)?;
        is_of(&found.state, generation.as_deref())?;
        let stores = stores.values().map(|document| readable(document)).collect::<Result<_, _>>()?;
        Ok(found.with(stores))
    }
}

fn items(documents: &[Text]) -> Result<Vec<StoredItem>, Miss> {
    stored(documents)?.iter().map(|document| document.item().map_err(|error| unreadable(&error))).collect()
}

/// A script that finds items by the members of `set`.
fn of_items<'a>(script: &'a Script, set: &str) -> ScriptInvocation<'a> {
    let mut invocation = script.prepare_invoke();
    invocation.key(ITEMS).key(ROWS).key(Order::Sku.key()).key(set);
    invocation
}
