//! Pages of the catalogue, from the indexes in Redis. Each script holds up every reader while it runs, so each looks at
//! a bounded number of entries: a filter that few terms match is answered in one call, another by walking along the
//! order in stretches.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, Value};
use shared::read_model::{ITEMS, Order, ROWS, SEPARATOR, SHARED_BEGINNINGS, StoredItem, TERMS};

use super::link::Answer;
use super::{Found, Miss, RedisModel, Text, readable, whole};
use crate::query::lists::{ListRequest, Sort, SortKey};

/// With so many matching terms one call sorts them all; the script takes two to three milliseconds then.
const FEW_TERMS: usize = 1000;
/// How many entries one call of a walk looks at: about a millisecond.
const STRETCH: usize = 1000;
/// How often a walk begins again because the model has changed under way.
const WALKS: usize = 4;

/// The longest that a script waits for its turn.
const TURN_WAIT: Duration = Duration::from_millis(200);

static PAGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("page.lua"))));
static SEARCH: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("search.lua"))));
static WALK: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("walk.lua"))));

/// The items of one page, and how many there are on all.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<StoredItem>,
    pub(crate) total: u64,
}

/// State, total, documents; no documents if more match than one call may sort.
type PageReply = (Text, u64, Option<Vec<Text>>);
/// State, total, documents, how many matches were passed over, the entry looked at last.
type StretchReply = (Text, u64, Vec<Text>, u64, Text);

/// An order as it is stored, and the way along it.
#[derive(Debug, Clone, Copy)]
struct Way {
    order: Order,
    is_reversed: bool,
}

impl Way {
    fn of(sort: Sort) -> Self {
        let (order, is_reversed) = match (sort.key, sort.is_descending) {
            (SortKey::Sku, is_descending) => (Order::Sku, is_descending),
            (SortKey::Name, false) => (Order::Name, false),
            (SortKey::Name, true) => (Order::NameDescending, false),
            (SortKey::Available, false) => (Order::Available, false),
            (SortKey::Available, true) => (Order::AvailableDescending, false),
            (SortKey::UpdatedAt, false) => (Order::UpdatedAt, false),
            (SortKey::UpdatedAt, true) => (Order::UpdatedAtDescending, false),
        };
        Self { order, is_reversed }
    }

    /// What stands before the SKU in the order's members ends with this.
    const fn separator(self) -> &'static [u8] {
        match self.order {
            Order::Name => b"\n",
            Order::NameDescending => b"\xff",
            Order::Sku
            | Order::Available
            | Order::AvailableDescending
            | Order::UpdatedAt
            | Order::UpdatedAtDescending => b"",
        }
    }

    fn invocation(self, script: &Script) -> redis::ScriptInvocation<'_> {
        let mut invocation = script.prepare_invoke();
        for key in [ITEMS, ROWS, self.order.key(), TERMS, SHARED_BEGINNINGS] {
            invocation.key(key);
        }
        invocation.arg(self.separator()).arg(if self.is_reversed { "REV" } else { "" });
        invocation
    }
}

impl ListRequest {
    fn passed_over(&self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.page_size)
    }

    /// No term has a control character, and the separator in the indexes is one.
    fn matches_nothing(&self) -> bool {
        self.prefix.as_ref().is_some_and(|prefix| prefix.contains(SEPARATOR))
    }
}

impl RedisModel {
    /// The page, if one call can find it: `None` if too many terms match the filter for that.
    pub(crate) async fn page(&self, request: &ListRequest) -> Result<Option<Found<Page>>, Miss> {
        if request.matches_nothing() {
            return Ok(Some(self.state().await?.with(Page { items: Vec::new(), total: 0 })));
        }
        let script = if request.prefix.is_some() { &SEARCH } else { &PAGE };
        let mut invocation = Way::of(request.sort).invocation(script);
        invocation.arg(request.passed_over()).arg(request.page_size);
        if let Some(prefix) = &request.prefix {
            invocation.arg(prefix).arg(FEW_TERMS);
        }
        let answer: Answer<PageReply> = self.run(&invocation).await?;
        let (state, total, documents) = &answer.value;
        let found = whole(state.as_deref(), &answer)?;
        match documents {
            None => Ok(None),
            Some(documents) => Ok(Some(found.with(Page { items: stored(documents)?, total: *total }))),
        }
    }

    /// The page of a filter that many terms match, however many calls it takes. If the model changes under way it
    /// begins again; the last time it goes on, and the page is of several moments close to each other.
    pub(crate) async fn walk(&self, request: &ListRequest) -> Result<Found<Page>, Miss> {
        let mut left = WALKS;
        loop {
            left -= 1;
            if let Some(found) = self.walk_once(request, left == 0).await? {
                return Ok(found);
            }
        }
    }

    async fn walk_once(&self, request: &ListRequest, may_change: bool) -> Result<Option<Found<Page>>, Miss> {
        let prefix = request.prefix.as_deref().unwrap_or_default();
        let (mut pass, mut after) = (request.passed_over(), Vec::new());
        let (mut items, mut seen) = (Vec::new(), HashSet::new());
        let mut first: Option<Found<()>> = None;
        loop {
            let wanted = request.page_size as usize - items.len();
            let mut invocation = Way::of(request.sort).invocation(&WALK);
            invocation.arg(pass).arg(wanted).arg(prefix).arg(STRETCH).arg(&after);
            let answer: Answer<StretchReply> = self.run(&invocation).await?;
            let (state, total, documents, passed, reached) = &answer.value;
            let found = whole(state.as_deref(), &answer)?;
            // What it stood at may be gone, on the last walk too: then the page cannot be told.
            let Some(reached) = reached else { return if may_change { Err(Miss::Behind) } else { Ok(None) } };
            let is_same = first.as_ref().is_none_or(|first| first.state.sequence == found.state.sequence);
            if !is_same && !may_change {
                return Ok(None);
            }
            items.extend(stored(documents)?.into_iter().filter(|item| seen.insert(item.id)));
            if reached.is_empty() || items.len() >= request.page_size as usize {
                // Not newer than the oldest part.
                let page = Page { items, total: *total };
                return Ok(Some(first.unwrap_or(found).with(page)));
            }
            first.get_or_insert(found);
            pass -= passed;
            after.clone_from(reached);
        }
    }

    async fn run<T: redis::FromRedisValue>(&self, invocation: &redis::ScriptInvocation<'_>) -> Result<Answer<T>, Miss> {
        let turn = tokio::time::timeout(TURN_WAIT, self.turns.acquire()).await.map_err(|_| Miss::Busy)?;
        let _turn = turn.expect("the semaphore is never closed");
        let call = |mut connection| async move { invocation.invoke_async::<Value>(&mut connection).await };
        let answer = self.link.call(call).await?;
        let value = redis::from_redis_value(answer.value).map_err(|error| {
            tracing::error!(%error, "a script in Redis answered something else");
            Miss::NotWhole
        })?;
        Ok(Answer { run: answer.run, began: answer.began, value })
    }
}

/// One that is missing is named by an index, so the model is not whole.
fn stored(documents: &[Text]) -> Result<Vec<StoredItem>, Miss> {
    documents.iter().map(|document| document.as_deref().ok_or(Miss::NotWhole).and_then(readable)).collect()
}
