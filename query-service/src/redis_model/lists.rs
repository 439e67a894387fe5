//! Pages of the catalogue, from the indexes in Redis. Each script holds up every reader while it runs, so each looks at
//! a bounded number of entries. What few items can match, by any one of the conditions, is answered in one call. A
//! single condition that many match is looked for by walking along the order in stretches; several such, by going
//! through all that match the rarest of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, ScriptInvocation, Value};
use shared::read_model::{BY_FACET, FACETS, ITEMS, ItemDocument, Order, ROWS, SHARED_BEGINNINGS, State, TERMS};

use super::link::Answer;
use super::{Found, Miss, RedisModel, Text, item, whole};
use crate::query::lists::{ListRequest, Sort, SortKey};

/// With so many members that have a condition one call sorts them all; the script takes two to three milliseconds then.
const FEW: usize = 1000;
/// How many entries one call of a walk looks at: one to two milliseconds.
const STRETCH: usize = 1000;
/// How many members of the rarest condition one call looks at, whose items may all have to be found in the order.
const SIFTED: usize = 400;
/// How often a walk begins again because the model has changed under way.
const WALKS: usize = 4;

/// The longest that a script waits for its turn.
const TURN_WAIT: Duration = Duration::from_millis(200);

macro_rules! filtering {
    ($file:literal) => {
        concat!(include_str!("common.lua"), include_str!("filters.lua"), include_str!($file))
    };
}

static PAGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("page.lua"))));
static PICK: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("common.lua"), include_str!("pick.lua"))));
static SEARCH: LazyLock<Script> = LazyLock::new(|| Script::new(filtering!("search.lua")));
static WALK: LazyLock<Script> = LazyLock::new(|| Script::new(filtering!("walk.lua")));
static SIFT: LazyLock<Script> = LazyLock::new(|| Script::new(filtering!("sift.lua")));

/// The items of one page, and how many there are on all.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<ItemDocument>,
    pub(crate) total: u64,
}

/// State, total, documents; no documents if more may match than one call may sort.
type PageReply = (Text, u64, Option<Vec<Text>>);
/// State, total, documents, how many matches were passed over, the entry looked at last.
type StretchReply = (Text, u64, Vec<Text>, u64, Text);
/// State, which condition is the rarest, SKUs, their ranks, the member looked at last.
type SiftReply = (Text, u64, Vec<String>, Vec<u64>, Vec<u8>);
/// State, documents.
type PickReply = (Text, Vec<Text>);

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

    fn keyed(self, script: &Script) -> ScriptInvocation<'_> {
        let mut invocation = script.prepare_invoke();
        for key in [ITEMS, ROWS, self.order.key(), FACETS, TERMS, SHARED_BEGINNINGS, BY_FACET] {
            invocation.key(key);
        }
        invocation
    }

    fn invocation(self, script: &Script) -> ScriptInvocation<'_> {
        let mut invocation = self.keyed(script);
        invocation.arg(self.separator()).arg(if self.is_reversed { "REV" } else { "" });
        invocation
    }
}

impl RedisModel {
    /// The page, if one call can find it: `None` if too much matches the filter for that.
    pub(crate) async fn page(&self, request: &ListRequest) -> Result<Option<Found<Page>>, Miss> {
        let filter = &request.filter;
        if filter.search.is_some() {
            return Err(Miss::NotKept);
        }
        if filter.is_unmatchable() {
            return Ok(Some(self.state().await?.with(Page { items: Vec::new(), total: 0 })));
        }
        let is_filtered = filter.count() > 0;
        let mut invocation = Way::of(request.sort).invocation(if is_filtered { &SEARCH } else { &PAGE });
        invocation.arg(request.passed_over()).arg(request.page_size);
        if is_filtered {
            invocation.arg(FEW);
            filter.write(&mut invocation);
        }
        let answer: Answer<PageReply> = self.run(&invocation).await?;
        let (state, total, documents) = &answer.value;
        let found = whole(state.as_deref(), &answer)?;
        match documents {
            None => Ok(None),
            Some(documents) => Ok(Some(found.with(Page { items: stored(documents)?, total: *total }))),
        }
    }

    /// The page of a filter that much matches, however many calls it takes. If the model changes under way it begins
    /// again; the last time it goes on, and the page is of several moments close to each other.
    pub(crate) async fn walk(&self, request: &ListRequest) -> Result<Found<Page>, Miss> {
        let mut left = WALKS;
        loop {
            left -= 1;
            let found = if request.filter.count() > 1 {
                self.sift_once(request, left == 0).await?
            } else {
                self.walk_once(request, left == 0).await?
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    async fn walk_once(&self, request: &ListRequest, may_change: bool) -> Result<Option<Found<Page>>, Miss> {
        let (mut pass, mut after) = (request.passed_over(), Vec::new());
        let (mut items, mut seen) = (Vec::new(), HashSet::new());
        let mut first: Option<Found<()>> = None;
        loop {
            let wanted = request.page_size as usize - items.len();
            let mut invocation = Way::of(request.sort).invocation(&WALK);
            invocation.arg(pass).arg(wanted).arg(STRETCH).arg(&after);
            request.filter.write(&mut invocation);
            let answer: Answer<StretchReply> = self.run(&invocation).await?;
            let (state, total, documents, passed, reached) = &answer.value;
            let found = whole(state.as_deref(), &answer)?;
            // What it stood at may be gone, on the last walk too: then the page cannot be told.
            let Some(reached) = reached else { return if may_change { Err(Miss::Behind) } else { Ok(None) } };
            if !is_same(first.as_ref(), &found.state) && !may_change {
                return Ok(None);
            }
            items.extend(stored(documents)?.into_iter().filter(|item| seen.insert(item.id())));
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

    async fn sift_once(&self, request: &ListRequest, may_change: bool) -> Result<Option<Found<Page>>, Miss> {
        let (mut which, mut after) = (0, Vec::new());
        let mut ranks: BTreeMap<String, u64> = BTreeMap::new();
        let mut first: Option<Found<()>> = None;
        loop {
            let mut invocation = Way::of(request.sort).invocation(&SIFT);
            invocation.arg(SIFTED).arg(which).arg(&after);
            request.filter.write(&mut invocation);
            let answer: Answer<SiftReply> = self.run(&invocation).await?;
            let (state, rarest, skus, ranks_of, reached) = &answer.value;
            let found = whole(state.as_deref(), &answer)?;
            if !is_same(first.as_ref(), &found.state) && !may_change {
                return Ok(None);
            }
            first.get_or_insert(found);
            ranks.extend(skus.iter().cloned().zip(ranks_of.iter().copied()));
            if reached.is_empty() {
                break;
            }
            (which, after) = (*rarest, reached.clone());
        }
        let total = ranks.len() as u64;
        let mut sorted: Vec<(u64, &str)> = ranks.iter().map(|(sku, rank)| (*rank, sku.as_str())).collect();
        sorted.sort_unstable();
        let passed = usize::try_from(request.passed_over()).unwrap_or(usize::MAX);
        let page = sorted.into_iter().skip(passed).take(request.page_size as usize);
        let mut invocation = Way::of(request.sort).keyed(&PICK);
        page.for_each(|(_, sku)| {
            invocation.arg(sku);
        });
        let answer: Answer<PickReply> = self.run(&invocation).await?;
        let (state, documents) = &answer.value;
        let found = whole(state.as_deref(), &answer)?;
        if !is_same(first.as_ref(), &found.state) && !may_change {
            return Ok(None);
        }
        // One that is gone meanwhile is left out, if it may be.
        let there: Vec<Text> = documents.iter().filter(|document| !may_change || document.is_some()).cloned().collect();
        let page = Page { items: stored(&there)?, total };
        Ok(Some(first.unwrap_or(found).with(page)))
    }

    pub(super) async fn run<T: redis::FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<Answer<T>, Miss> {
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

fn is_same(first: Option<&Found<()>>, now: &State) -> bool {
    first.is_none_or(|first| (first.state.generation, first.state.sequence) == (now.generation, now.sequence))
}

/// One that is missing is named by an index, so the model is not whole.
pub(super) fn stored(documents: &[Text]) -> Result<Vec<ItemDocument>, Miss> {
    documents.iter().map(|document| item(document.clone().ok_or(Miss::NotWhole)?)).collect()
}
