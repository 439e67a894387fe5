//! The views that clients get, wherever a document was read: here those of an item, but for the one that is stored as it is
//! sent ([`ItemView`]).

pub(crate) mod overviews;
pub(crate) mod reservation;
pub(crate) mod store;

use bytes::Bytes;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::etag::ETag;
use shared::id::ItemId;
use shared::read_model::{ItemView, StoredItem};
use shared::text::StoreId;
use utoipa::ToSchema;

use crate::query::lists::ListRequest;
use crate::query::past::PastLevel;

/// The stock of one item at one store.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StockLevel)]
pub(crate) struct LevelView {
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: ItemId,
    #[schema(example = "PROD-001")]
    sku: String,
    #[schema(example = "main")]
    store_id: String,
    /// Units on hand, reserved ones included.
    #[schema(minimum = 0, example = 100)]
    quantity: i64,
    /// Units held back from sale.
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    /// `quantity` minus `reserved`.
    #[schema(minimum = 0, example = 95)]
    available: i64,
    /// Of this level; goes up by one with each change, 0 while there is none.
    #[schema(minimum = 0, example = 3)]
    version: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    updated_at: Timestamp,
}

impl LevelView {
    /// The level at a store as clients see it, and its tag; zeros and version 0 if nothing was ever there.
    pub(crate) fn of(item: &StoredItem, store: &StoreId) -> (Self, ETag) {
        let found = item.levels.iter().find(|level| level.store_id == store.as_str());
        let (quantity, reserved) = found.map_or((0, 0), |level| (level.quantity, level.reserved));
        let version = found.map_or(0, |level| level.version);
        let view = Self {
            item_id: item.id,
            sku: item.sku.clone(),
            store_id: store.as_str().to_owned(),
            quantity,
            reserved,
            available: quantity - reserved,
            version,
            updated_at: found.map_or(item.updated_at, |level| level.updated_at),
        };
        (view, ETag::Stock { version })
    }
}

impl LevelView {
    /// A level as it was.
    pub(crate) fn of_past(item_id: ItemId, store: &StoreId, past: PastLevel) -> Self {
        Self {
            item_id,
            sku: past.sku,
            store_id: store.as_str().to_owned(),
            quantity: past.quantity,
            reserved: past.reserved,
            available: past.quantity - past.reserved,
            version: past.version,
            updated_at: past.updated_at,
        }
    }
}

/// One page of the catalogue.
#[derive(Debug, ToSchema)]
#[schema(as = ItemPage, rename_all = "camelCase")]
pub(crate) struct PageView<'a> {
    /// Empty past the end.
    #[schema(value_type = Vec<ItemView<'static>>)]
    items: Vec<&'a [u8]>,
    #[schema(minimum = 1, example = 1)]
    page: u32,
    #[schema(minimum = 1, maximum = 100, example = 20)]
    page_size: u32,
    /// How many items match, on all pages.
    #[schema(minimum = 0, example = 1)]
    total: u64,
    #[schema(minimum = 0, example = 1)]
    total_pages: u64,
}

impl<'a> PageView<'a> {
    /// The items are those of the page, in order, each as JSON.
    pub(crate) fn of(items: Vec<&'a [u8]>, request: &ListRequest, total: u64) -> Self {
        let &ListRequest { page, page_size, .. } = request;
        Self { items, page, page_size, total, total_pages: total.div_ceil(u64::from(page_size)) }
    }

    /// As JSON: what is shown of the items is there already.
    pub(crate) fn written(&self) -> Bytes {
        let Self { items, page, page_size, total, total_pages } = self;
        let length: usize = items.iter().map(|item| item.len() + 1).sum();
        let mut json = Vec::with_capacity(length + 128);
        json.extend_from_slice(br#"{"items":["#);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(item);
        }
        let end = format!(r#"],"page":{page},"pageSize":{page_size},"total":{total},"totalPages":{total_pages}}}"#);
        json.extend_from_slice(end.as_bytes());
        json.into()
    }
}
