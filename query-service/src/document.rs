//! The views that clients get, wherever a document was read: here those of an item.

pub(crate) mod overviews;
pub(crate) mod reservation;
pub(crate) mod store;

use serde::Serialize;
use shared::clock::Timestamp;
use shared::etag::ETag;
use shared::id::ItemId;
use shared::price::Price;
use shared::read_model::StoredItem;
use shared::text::StoreId;
use utoipa::ToSchema;

use crate::query::past::PastLevel;

/// An item, its stock summed over all stores.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Item)]
pub(crate) struct ItemView {
    /// UUIDv5 of the SKU.
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    id: ItemId,
    #[schema(example = "PROD-001")]
    sku: String,
    #[schema(example = "USB-C cable 2 m")]
    name: String,
    /// `null` if there is none.
    #[schema(required, example = "Braided, 100 W")]
    description: Option<String>,
    /// What kind of thing it is; `null` if nobody said.
    #[schema(required, example = "cables")]
    category: Option<String>,
    /// What one unit costs; `null` if nobody said.
    #[schema(required)]
    price: Option<PriceView>,
    /// A level of it is low when no more than this is available, unless it has a threshold of its own; `null` if there
    /// is none.
    #[schema(required, minimum = 0, example = 5)]
    low_stock_threshold: Option<i64>,
    /// Units on hand, reserved ones included.
    #[schema(minimum = 0, example = 100)]
    quantity: i64,
    /// Units held back from sale.
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    /// `quantity` minus `reserved`.
    #[schema(minimum = 0, example = 95)]
    available: i64,
    /// Of the catalogue data; goes up by one with each change.
    #[schema(minimum = 1, example = 1)]
    version: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    created_at: Timestamp,
    /// When the catalogue data or any stock level changed last.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    updated_at: Timestamp,
}

/// An amount of money.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Price)]
struct PriceView {
    /// In the minor unit of the currency, cents say.
    #[schema(minimum = 0, maximum = 1_000_000_000_000i64, example = 1299)]
    amount_minor: i64,
    /// Of ISO 4217.
    #[schema(example = "EUR")]
    currency: &'static str,
}

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

impl ItemView {
    /// The item as clients see it, and its tag.
    pub(crate) fn of(item: &StoredItem) -> (Self, ETag) {
        let (quantity, reserved) = (item.quantity(), item.reserved());
        let view = Self {
            id: item.id,
            sku: item.sku.clone(),
            name: item.name.clone(),
            description: item.description.clone(),
            category: item.category.clone(),
            price: item.price.map(PriceView::of),
            low_stock_threshold: item.low_stock_threshold,
            quantity,
            reserved,
            available: quantity - reserved,
            version: item.version,
            created_at: item.created_at,
            updated_at: item.touched_at(),
        };
        let stock = item.levels.iter().map(|level| level.version).sum();
        (view, ETag::Item { version: item.version, stock })
    }
}

impl PriceView {
    fn of(price: Price) -> Self {
        Self { amount_minor: price.amount_minor.minor(), currency: price.currency.code() }
    }
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
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ItemPage)]
pub(crate) struct PageView {
    /// Empty past the end.
    items: Vec<ItemView>,
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

impl PageView {
    /// The items are those of the page, in order.
    pub(crate) fn of(items: &[StoredItem], page: u32, page_size: u32, total: u64) -> Self {
        let items = items.iter().map(|item| ItemView::of(item).0).collect();
        Self { items, page, page_size, total, total_pages: total.div_ceil(u64::from(page_size)) }
    }
}
