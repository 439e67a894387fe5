//! Facts: what became of a request. Decided once by the writer, never changed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, ItemId, ReservationId};
use crate::text::{Description, Name, Reason, Reference, Sku, StoreId};

/// Where a journal entry is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `inventory.items`: what became of catalogue requests.
    Items,
    /// `inventory.stock`: what became of stock requests.
    Stock,
    /// `inventory.dlq`: what could not be processed.
    DeadLetters,
}

/// The catalogue fields of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemDetails {
    /// The item.
    pub item_id: ItemId,
    /// Its SKU.
    pub sku: Sku,
    /// Its name.
    pub name: Name,
    /// Its description, or null.
    pub description: Option<Description>,
}

/// The level of one item at one store after a fact: a consumer needs no lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LevelAfter {
    /// The item.
    pub item_id: ItemId,
    /// Its SKU.
    pub sku: Sku,
    /// The store.
    pub store_id: StoreId,
    /// Units on hand.
    pub total_quantity: i64,
    /// Units held back.
    pub reserved_total: i64,
    /// `totalQuantity - reservedTotal`.
    pub available_quantity: i64,
}

/// The `data` of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// The SKU is in the catalogue, for the first time or again.
    ItemCreated(ItemDetails),
    /// All catalogue fields as they are now.
    ItemUpdated(ItemDetails),
    /// The item is gone; its levels were written off before.
    #[serde(rename_all = "camelCase")]
    ItemDeleted {
        /// The item.
        item_id: ItemId,
        /// Its SKU.
        sku: Sku,
    },
    /// The quantity on hand changed.
    #[serde(rename_all = "camelCase")]
    StockAdjusted {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// The signed change.
        adjustment: i64,
        /// On hand before.
        previous_quantity: i64,
        /// On hand after.
        new_quantity: i64,
        /// Why: the caller's, or `initial`, or `deleted`.
        reason: Option<Reason>,
        /// The caller's own reference.
        reference: Option<Reference>,
    },
    /// Units are held back.
    #[serde(rename_all = "camelCase")]
    StockReserved {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// How many by this command.
        reserved_quantity: i64,
        /// The reservation that the command made.
        reservation_id: ReservationId,
    },
    /// Units are for sale again.
    #[serde(rename_all = "camelCase")]
    StockReleased {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// How many by this command.
        released_quantity: i64,
    },
    /// A business rule said no; nothing changed.
    #[serde(rename_all = "camelCase")]
    CommandRejected {
        /// The item that was asked of.
        item_id: ItemId,
        /// The `eventType` of the request.
        request_type: &'static str,
        /// The rejection's code (docs/ERRORS.md).
        code: &'static str,
        /// In words, with the numbers.
        detail: String,
    },
}

impl Fact {
    /// Every `eventType` of a fact.
    pub const EVENT_TYPES: [&'static str; 7] = [
        "InventoryItemCreated",
        "InventoryItemUpdated",
        "InventoryItemDeleted",
        "StockAdjusted",
        "StockReserved",
        "StockReleased",
        "CommandRejected",
    ];

    /// The `eventType` of the message that carries it.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::ItemCreated(_) => "InventoryItemCreated",
            Self::ItemUpdated(_) => "InventoryItemUpdated",
            Self::ItemDeleted { .. } => "InventoryItemDeleted",
            Self::StockAdjusted { .. } => "StockAdjusted",
            Self::StockReserved { .. } => "StockReserved",
            Self::StockReleased { .. } => "StockReleased",
            Self::CommandRejected { .. } => "CommandRejected",
        }
    }
}

/// The message on `inventory.items` and `inventory.stock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FactEnvelope<'a> {
    /// [`Fact::event_type`].
    pub event_type: &'static str,
    /// [`EventId::of_fact`].
    pub event_id: EventId,
    /// The item; also the Kafka key.
    pub aggregate_id: ItemId,
    /// The writer's clock.
    pub occurred_at: Timestamp,
    /// [`super::SCHEMA_VERSION`].
    pub version: u32,
    /// The command that caused it.
    pub command_id: CommandId,
    /// The request's.
    pub correlation_id: &'a str,
    /// Of the item, or of the level for a stock fact, after it; for a rejection the version it was decided against.
    pub aggregate_version: u64,
    /// Its place in the journal: one order over everything.
    pub sequence: u64,
    /// The `eventId` of the request.
    pub causation_id: EventId,
    /// What happened.
    pub data: &'a Fact,
}
