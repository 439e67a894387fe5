//! What is told of the whole inventory, as JSON. An overview that was read is the present for as long as nothing has been
//! journaled since; after that it may be a second old like any list, so under steady writes each is read once a second.

use bytes::Bytes;
use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::read_model::{StoreAsOf, StoredItem};
use shared::text::StoreId;

use super::{Found, ReadError, ReadModel};
use crate::cache::Missing;
use crate::cache::entry::written;
use crate::cursor;
use crate::document::overviews::{LowLevel, LowStockView, MostReservedView, ReservedItem, SummaryView};
use crate::document::store::StoresView;
use crate::query::{overviews, stores};
use crate::redis_model::{self, Miss, RedisModel};
use crate::source::{Loaded, Stamp};

/// One answer about the whole inventory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Overview {
    Stores,
    /// The levels after this SKU and store.
    LowStock {
        after: (String, String),
        limit: u32,
    },
    MostReserved {
        limit: u32,
    },
    Summary,
}

/// What its cursors are bound to; it has no filters.
pub(crate) const LOW_STOCK: (&str, [&str; 0]) = ("low-stock", []);

impl ReadModel {
    /// An overview; `must_be_new` if the client has waited for a write.
    pub(crate) async fn overview(&self, overview: &Overview, must_be_new: bool) -> Result<Found<Bytes>, ReadError> {
        let miss = match self.overview_in_redis(overview, must_be_new).await {
            Ok(body) => return Ok(self.in_redis(body)),
            Err(miss) => miss,
        };
        if self.database.is_none() {
            return Err(miss.into());
        }
        let holds = self.list_holds(must_be_new);
        let holds = |stamp: &Stamp| self.following.is_present(stamp) || holds(stamp);
        if let Some(kept) = self.overviews.kept(overview, &holds).await {
            return Ok(Found::in_memory(kept.value.clone()));
        }
        match self.overviews.load(overview, || self.load_overview(overview.clone()), holds).await {
            Ok(loaded) => Ok(Found::in_database(loaded.value.clone())),
            Err(Missing::Nothing(_)) => unreachable!("an overview may be empty, but it is there"),
            Err(Missing::Failed(error)) => Err(ReadError::Unavailable(error)),
        }
    }

    /// The same from Redis.
    async fn overview_in_redis(&self, overview: &Overview, must_be_new: bool) -> Result<Bytes, Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        let least = self.least_sequence(must_be_new);
        let found = overview.read_in_redis(redis).await?;
        if !self.is_of_ours(&found.state).await {
            return Err(Miss::NotWhole);
        }
        if found.state.sequence < least {
            return Err(Miss::Behind);
        }
        let (body, shown) = found.value;
        for (key, as_of) in shown {
            self.following.floors.raise(&key, as_of);
        }
        Ok(body)
    }

    async fn load_overview(&self, overview: Overview) -> Result<Loaded<Bytes>, Missing> {
        self.fresh(move |connection| overview.read(connection)).await.map_err(Missing::Failed)
    }
}

impl Overview {
    fn read(&self, connection: &Connection) -> rusqlite::Result<Bytes> {
        Ok(match self {
            Self::Stores => written(&StoresView::of(&stores::stores(connection)?)),
            Self::LowStock { after: (sku, store), limit } => written(&low_stock(connection, (sku, store), *limit)?),
            Self::MostReserved { limit } => {
                written(&MostReservedView { items: overviews::most_reserved(connection, *limit)? })
            }
            Self::Summary => written(&SummaryView::of(overviews::summary(connection)?)),
        })
    }
}

/// A body, and what is shown in it: as of which sequence.
type Shown = (Bytes, Vec<(AggregateId, u64)>);

impl Overview {
    async fn read_in_redis(&self, redis: &RedisModel) -> Result<redis_model::Found<Shown>, Miss> {
        let of_item = |item: &StoredItem| (AggregateId::Item(item.id), item.as_of);
        Ok(match self {
            Self::Stores => redis.stores().await?.map(|stores| {
                let of =
                    |of: &StoreAsOf| Some((AggregateId::Store(StoreId::parse(&of.store.store_id).ok()?), of.as_of));
                let shown = stores.iter().filter_map(of).collect();
                let stores: Vec<_> = stores.into_iter().map(|of| of.store).collect();
                (written(&StoresView::of(&stores)), shown)
            }),
            Self::LowStock { after: (sku, store), limit } => {
                redis.low_levels((sku, store), limit + 1).await?.map(|levels| {
                    let shown = levels.iter().map(|(item, _)| of_item(item)).collect();
                    let of_item = |(item, stores): &(StoredItem, Vec<String>)| -> Vec<LowLevel> {
                        stores.iter().filter_map(|store| LowLevel::of(item, store)).collect()
                    };
                    let levels = levels.iter().flat_map(of_item).collect();
                    (written(&low_page(levels, *limit)), shown)
                })
            }
            Self::MostReserved { limit } => redis.most_reserved(*limit).await?.map(|items| {
                let shown = items.iter().map(of_item).collect();
                (written(&MostReservedView { items: items.iter().map(ReservedItem::of).collect() }), shown)
            }),
            Self::Summary => redis.summary().await?.map(|summary| (written(&SummaryView::of(summary)), Vec::new())),
        })
    }
}

fn low_stock(connection: &Connection, after: (&str, &str), limit: u32) -> rusqlite::Result<LowStockView> {
    Ok(low_page(overviews::low_levels(connection, after, limit + 1)?, limit))
}

/// One more than is on the page tells whether there is a next one.
fn low_page(mut items: Vec<LowLevel>, limit: u32) -> LowStockView {
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let last = items.last().filter(|_| has_more);
    let (name, filters) = LOW_STOCK;
    let next_cursor = last.map(|last| cursor::write(name, &filters, &format!("{}\n{}", last.sku, last.store_id)));
    LowStockView { items, next_cursor }
}
