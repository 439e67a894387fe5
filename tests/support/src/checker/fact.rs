//! Facts as they were published: read from their JSON, not through the types that wrote it.

use serde::Deserialize;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId};

/// A message of `inventory.items` or `inventory.stock`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub event_id: EventId,
    pub aggregate_id: ItemId,
    pub occurred_at: Timestamp,
    pub command_id: CommandId,
    pub aggregate_version: i64,
    pub sequence: i64,
    #[serde(flatten)]
    pub change: Change,
}

/// What happened.
#[derive(Debug, Deserialize)]
#[serde(tag = "eventType", content = "data")]
pub(super) enum Change {
    InventoryItemCreated(Details),
    InventoryItemUpdated(Details),
    #[serde(rename_all = "camelCase")]
    InventoryItemDeleted {
        item_id: ItemId,
    },
    #[serde(rename_all = "camelCase")]
    StockAdjusted {
        #[serde(flatten)]
        after: LevelAfter,
        adjustment: i64,
        previous_quantity: i64,
        new_quantity: i64,
    },
    #[serde(rename_all = "camelCase")]
    StockReserved {
        #[serde(flatten)]
        after: LevelAfter,
        reserved_quantity: i64,
    },
    #[serde(rename_all = "camelCase")]
    StockReleased {
        #[serde(flatten)]
        after: LevelAfter,
        released_quantity: i64,
    },
    #[serde(rename_all = "camelCase")]
    CommandRejected {
        item_id: ItemId,
        request_type: String,
        code: String,
    },
}

/// The catalogue fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub item_id: ItemId,
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
}

/// The level that a stock fact tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LevelAfter {
    pub item_id: ItemId,
    pub sku: String,
    pub store_id: String,
    pub total_quantity: i64,
    pub reserved_total: i64,
    pub available_quantity: i64,
}

impl Change {
    /// The `eventType`.
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::InventoryItemCreated(_) => "InventoryItemCreated",
            Self::InventoryItemUpdated(_) => "InventoryItemUpdated",
            Self::InventoryItemDeleted { .. } => "InventoryItemDeleted",
            Self::StockAdjusted { .. } => "StockAdjusted",
            Self::StockReserved { .. } => "StockReserved",
            Self::StockReleased { .. } => "StockReleased",
            Self::CommandRejected { .. } => "CommandRejected",
        }
    }

    /// Where it belongs: 0 items, 1 stock.
    pub(super) fn stream(&self) -> i64 {
        match self {
            Self::InventoryItemCreated(_) | Self::InventoryItemUpdated(_) | Self::InventoryItemDeleted { .. } => 0,
            Self::StockAdjusted { .. } | Self::StockReserved { .. } | Self::StockReleased { .. } => 1,
            Self::CommandRejected { request_type, .. } => i64::from(!is_catalogue(request_type)),
        }
    }

    /// The item that its data names.
    pub(super) const fn item_id(&self) -> ItemId {
        match self {
            Self::InventoryItemCreated(details) | Self::InventoryItemUpdated(details) => details.item_id,
            Self::StockAdjusted { after, .. }
            | Self::StockReserved { after, .. }
            | Self::StockReleased { after, .. } => after.item_id,
            Self::InventoryItemDeleted { item_id } | Self::CommandRejected { item_id, .. } => *item_id,
        }
    }

    /// The code, if it is a rejection.
    pub(super) fn rejection(&self) -> Option<&str> {
        if let Self::CommandRejected { code, .. } = self { Some(code) } else { None }
    }
}

/// Whether a request of this type changes the catalogue (else stock).
pub(super) fn is_catalogue(request_type: &str) -> bool {
    request_type.starts_with("Item")
}
