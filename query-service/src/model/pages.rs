//! Pages of the catalogue, as JSON. A list may be a second old, unless an outcome told of something newer or the client
//! has just waited for a write.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::read_model::{ItemDocument, ItemView};

use super::{Found, ReadError, ReadModel};
use crate::cache::Missing;
use crate::catalogue::Catalogue;
use crate::document::PageView;
use crate::query::lists::{ListFilter, ListRequest};
use crate::query::{items, lists};
use crate::redis_model::{self, Miss};
use crate::source::{Loaded, SourceError, Stamp};

/// A page behind so many items waits for the catalogue. SQL reads all before it, so that a few such pages at once would
/// keep everybody else from the database.
const DEEP: u64 = 1000;
/// The longest that a page waits for others who read the catalogue.
const CATALOGUE_WAIT: Duration = Duration::from_secs(2);

impl ReadModel {
    /// One page; `must_be_new` if the client has waited for a write.
    pub(crate) async fn page(&self, request: &ListRequest, must_be_new: bool) -> Result<Found<Bytes>, ReadError> {
        if request.filter.search.is_some() && self.database.is_none() {
            return Err(ReadError::NeedsDatabase("full text"));
        }
        let miss = match self.page_in_redis(request, must_be_new).await {
            Ok(Some(page)) => return Ok(self.in_redis(page)),
            Ok(None) => None,
            Err(miss) => Some(miss),
        };
        if request.filter == ListFilter::default()
            && let Some(page) = self.page_of_all(request, must_be_new).await?
        {
            return Ok(page);
        }
        let holds = self.list_holds(must_be_new);
        if let Some(kept) = self.pages.kept(request, &holds).await {
            return Ok(Found::in_memory(kept.value.clone()));
        }
        let loaded = match miss {
            _ if self.database.is_some() => self.pages.load(request, || self.load_page(request.clone()), holds).await,
            None => self.pages.load(request, || self.walk(request, must_be_new), holds).await,
            Some(miss) => return Err(miss.into()),
        };
        match loaded {
            Ok(loaded) if self.database.is_some() => Ok(Found::in_database(loaded.value.clone())),
            Ok(loaded) => Ok(self.in_redis(loaded.value.clone())),
            Err(Missing::Nothing(_)) => unreachable!("a page may be empty, but it is there"),
            Err(Missing::Failed(error)) => Err(ReadError::Unavailable(error)),
        }
    }

    /// A page of all items, from those in memory; `None` if they are not there, or not yet.
    async fn page_of_all(&self, request: &ListRequest, must_be_new: bool) -> Result<Option<Found<Bytes>>, ReadError> {
        let holds = self.list_holds(must_be_new);
        let holds = |stamp: &Stamp| self.following.is_present(stamp) || holds(stamp);
        let Some(keeper) = &self.keeper else { return Ok(None) };
        let catalogue = &keeper.catalogue;
        if let Some(Loaded { stamp, value: page }) = catalogue.page(request, holds) {
            keeper.saw(&stamp);
            return Ok(Some(Found::in_memory(page)));
        }
        keeper.begin();
        if request.passed_over() < DEEP && !catalogue.is_near(self.following.sequence()) {
            return Ok(None);
        }
        // Whoever reads all items has the turn until they are there.
        let turn = tokio::time::timeout(CATALOGUE_WAIT, keeper.turn().lock_owned());
        let Ok(turn) = turn.await else { return Ok(None) };
        // Whoever had the turn before may have read it.
        if let Some(page) = catalogue.page(request, holds) {
            return Ok(Some(Found::in_memory(page.value)));
        }
        let _turn = keeper.change(turn, Catalogue::bring_forward).await.map_err(ReadError::Unavailable)?;
        Ok(catalogue.page_brought_forward(request).map(Found::in_database))
    }

    /// `None` if one call does not find it.
    async fn page_in_redis(&self, request: &ListRequest, must_be_new: bool) -> Result<Option<Bytes>, Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        let least = self.least_sequence(must_be_new);
        match redis.page(request).await? {
            None => Ok(None),
            Some(found) => self.page_of(request, found, least).await.map(|page| Some(page.value)),
        }
    }

    async fn walk(&self, request: &ListRequest, must_be_new: bool) -> Result<Loaded<Bytes>, Missing> {
        let walk = async {
            let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
            let least = self.least_sequence(must_be_new);
            self.page_of(request, redis.walk(request).await?, least).await
        };
        walk.await.map_err(|miss: Miss| Missing::Failed(miss.into()))
    }

    async fn page_of(
        &self,
        request: &ListRequest,
        found: redis_model::Found<redis_model::Page>,
        least: u64,
    ) -> Result<Loaded<Bytes>, Miss> {
        if !self.is_of_ours(&found.state).await {
            return Err(Miss::NotWhole);
        }
        if found.state.sequence < least {
            return Err(Miss::Behind);
        }
        let stamp = found.stamp();
        let page = found.value;
        for item in &page.items {
            self.following.floors.raise(&AggregateId::Item(item.id()), item.as_of());
        }
        let items = page.items.iter().map(ItemDocument::shown_bytes).collect();
        Ok(Loaded { stamp, value: PageView::of(items, request, page.total).written() })
    }

    /// What a list from Redis must be of, or later.
    pub(super) fn least_sequence(&self, must_be_new: bool) -> u64 {
        let following = &self.following;
        let least = if must_be_new { following.sequence() } else { following.sequence_of_lists() };
        least.max(following.told())
    }

    async fn load_page(&self, request: ListRequest) -> Result<Loaded<Bytes>, Missing> {
        let read = move |connection: &Connection| {
            let total = lists::total(connection, &request)?;
            let ids = lists::page(connection, &request)?;
            let items = ids.into_iter().map(|id| items::item(connection, id));
            let items = items.filter_map(|item| Some(item.transpose()?.map(|item| ItemView::write(&item))));
            let items = items.collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(PageView::of(items.iter().map(String::as_bytes).collect(), &request, total).written())
        };
        self.fresh(read).await.map_err(|error: SourceError| Missing::Failed(error))
    }
}
