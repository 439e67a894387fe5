//! What is told of the whole inventory.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::id::ItemId;
use shared::price::Currency;
use shared::read_model::{StoredItem, StoredSummary, StoredValue};
use utoipa::ToSchema;

/// A page of the levels that are low.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LowStock)]
pub(crate) struct LowStockView {
    /// In the order of their SKUs, and of one item by store.
    pub(crate) items: Vec<LowLevel>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// A level of which no more is available than its threshold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LowLevel {
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    pub(crate) item_id: ItemId,
    #[schema(example = "PROD-001")]
    pub(crate) sku: String,
    #[schema(example = "USB-C cable 2 m")]
    pub(crate) name: String,
    #[schema(example = "main")]
    pub(crate) store_id: String,
    #[schema(minimum = 0, example = 3)]
    pub(crate) available: i64,
    /// The level's own, or else the item's.
    #[schema(minimum = 0, example = 5)]
    pub(crate) threshold: i64,
}

/// The items of which most is reserved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MostReserved)]
pub(crate) struct MostReservedView {
    /// The most reserved first, ties by SKU; items without reserved units are left out.
    pub(crate) items: Vec<ReservedItem>,
}

/// An item of which units are reserved.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReservedItem {
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    pub(crate) item_id: ItemId,
    #[schema(example = "PROD-001")]
    pub(crate) sku: String,
    #[schema(example = "USB-C cable 2 m")]
    pub(crate) name: String,
    /// In all stores.
    #[schema(minimum = 1, example = 12)]
    pub(crate) reserved: i64,
}

/// All stock of all items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub(crate) struct SummaryView {
    /// How many items there are.
    #[schema(minimum = 0, example = 1)]
    items: u64,
    /// Units on hand, reserved ones included.
    #[schema(minimum = 0, example = 100)]
    units: i64,
    /// Units held back from sale.
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    /// `units` minus `reserved`.
    #[schema(minimum = 0, example = 95)]
    available: i64,
    /// What the units on hand of items with a price cost, in the order of the currencies.
    value: Vec<ValueView>,
    /// The place in the one order of everything that happened as of which this is so.
    #[schema(minimum = 0, example = 42)]
    sequence: u64,
}

/// What units cost in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Value)]
struct ValueView {
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// In the minor unit; it may be a greater number than 64 bits hold.
    #[schema(schema_with = any_whole_number)]
    amount_minor: Box<RawValue>,
}

fn any_whole_number() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Integer)
        .minimum(Some(0))
        .description(Some("In the minor unit; it may be a greater number than 64 bits hold"))
        .examples([serde_json::json!(129_900)])
        .build()
}

impl LowLevel {
    /// The level of an item at a store; none if it is not low.
    pub(crate) fn of(item: &StoredItem, store: &str) -> Option<Self> {
        let level = item.levels.iter().find(|level| level.store_id == store && item.is_low(level))?;
        Some(Self {
            item_id: item.id,
            sku: item.sku.clone(),
            name: item.name.clone(),
            store_id: store.to_owned(),
            available: level.quantity - level.reserved,
            threshold: item.threshold(level)?,
        })
    }
}

impl ReservedItem {
    /// What is reserved of an item.
    pub(crate) fn of(item: &StoredItem) -> Self {
        Self { item_id: item.id, sku: item.sku.clone(), name: item.name.clone(), reserved: item.reserved() }
    }
}

impl SummaryView {
    /// As clients see it.
    pub(crate) fn of(stored: StoredSummary) -> Self {
        Self {
            items: stored.items,
            units: stored.units,
            reserved: stored.reserved,
            available: stored.units - stored.reserved,
            value: stored.value.into_iter().map(ValueView::of).collect(),
            sequence: stored.sequence,
        }
    }
}

impl ValueView {
    fn of(stored: StoredValue) -> Self {
        let amount_minor = RawValue::from_string(stored.amount_minor).expect("decimal digits are a JSON number");
        Self { currency: stored.currency, amount_minor }
    }
}
