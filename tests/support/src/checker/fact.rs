//! Facts as they were published: read from their JSON, not through the types that wrote it.

use serde::Deserialize;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::text::StoreId;

/// A message of `inventory.items` or `inventory.stock`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub event_id: EventId,
    pub aggregate_id: String,
    pub occurred_at: Timestamp,
    pub command_id: Option<CommandId>,
    pub correlation_id: String,
    pub aggregate_version: i64,
    pub sequence: i64,
    pub causation_id: EventId,
    /// What was written before there were reservations has none.
    pub actor: Option<String>,
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
        sku: String,
    },
    #[serde(rename_all = "camelCase")]
    StockAdjusted {
        #[serde(flatten)]
        after: LevelAfter,
        adjustment: i64,
        previous_quantity: i64,
        new_quantity: i64,
        reason: Option<String>,
        reference: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    StockReserved {
        #[serde(flatten)]
        after: LevelAfter,
        reserved_quantity: i64,
        reservation_id: ReservationId,
        order_id: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    StockReleased {
        #[serde(flatten)]
        after: LevelAfter,
        released_quantity: i64,
        reservation_id: Option<ReservationId>,
        order_id: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    StockIssued {
        #[serde(flatten)]
        after: LevelAfter,
        issued_quantity: i64,
        reservation_id: ReservationId,
        order_id: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    StockSettingsChanged {
        #[serde(flatten)]
        after: LevelAfter,
        low_stock_threshold: Option<i64>,
    },
    StockTransferred(Transfer),
    #[serde(rename_all = "camelCase")]
    StockCounted {
        #[serde(flatten)]
        after: LevelAfter,
        counted_quantity: i64,
        previous_quantity: i64,
        reason: Option<String>,
    },
    StockDepleted(LevelAfter),
    StockReplenished(LevelAfter),
    LowStock {
        #[serde(flatten)]
        after: LevelAfter,
        threshold: i64,
    },
    ReservationCreated(ReservationAfter),
    ReservationConfirmed(ReservationAfter),
    ReservationReleased(ReservationAfter),
    ReservationExpired(ReservationAfter),
    ReservationExtended(ReservationAfter),
    StoreCreated(StoreDetails),
    StoreUpdated(StoreDetails),
    #[serde(rename_all = "camelCase")]
    CommandRejected {
        item_id: Option<ItemId>,
        reservation_id: Option<ReservationId>,
        store_id: Option<String>,
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
    pub category: Option<String>,
    pub price: Option<Price>,
    pub low_stock_threshold: Option<i64>,
}

/// What one unit costs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Price {
    pub amount_minor: i64,
    pub currency: String,
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

/// What two changes of levels together are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transfer {
    pub item_id: ItemId,
    pub sku: String,
    pub from_store_id: String,
    pub to_store_id: String,
    pub quantity: i64,
    pub reason: Option<String>,
}

/// The reservation that a fact about it tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservationAfter {
    pub reservation_id: ReservationId,
    pub store_id: String,
    pub customer_id: Option<String>,
    pub order_id: Option<String>,
    pub status: String,
    pub simple: bool,
    pub lines: Vec<ReservedLine>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// A line of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservedLine {
    pub item_id: ItemId,
    pub sku: String,
    pub quantity: i64,
    pub confirmed: i64,
    pub released: i64,
}

/// The fields of a store.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoreDetails {
    pub store_id: String,
    pub name: String,
    pub location: Option<String>,
    pub active: bool,
}

/// By how much a fact changes its level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta {
    pub quantity: i64,
    pub reserved: i64,
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
            Self::StockIssued { .. } => "StockIssued",
            Self::StockSettingsChanged { .. } => "StockSettingsChanged",
            Self::StockTransferred(_) => "StockTransferred",
            Self::StockCounted { .. } => "StockCounted",
            Self::StockDepleted(_) => "StockDepleted",
            Self::StockReplenished(_) => "StockReplenished",
            Self::LowStock { .. } => "LowStock",
            Self::ReservationCreated(_) => "ReservationCreated",
            Self::ReservationConfirmed(_) => "ReservationConfirmed",
            Self::ReservationReleased(_) => "ReservationReleased",
            Self::ReservationExpired(_) => "ReservationExpired",
            Self::ReservationExtended(_) => "ReservationExtended",
            Self::StoreCreated(_) => "StoreCreated",
            Self::StoreUpdated(_) => "StoreUpdated",
            Self::CommandRejected { .. } => "CommandRejected",
        }
    }

    /// Where it belongs: 0 items, 1 stock. What became of the catalogue and of stores goes to the former.
    pub(super) fn stream(&self) -> i64 {
        let name = if let Self::CommandRejected { request_type, .. } = self { request_type } else { self.event_type() };
        i64::from(!(name.starts_with("InventoryItem") || name.starts_with("Item") || name.starts_with("Store")))
    }

    /// The aggregate that its data names: none if it names none, or several.
    pub(super) fn about(&self) -> Option<AggregateId> {
        let store = |id: &str| StoreId::parse(id).ok().map(AggregateId::Store);
        if let Some(level) = self.level() {
            return Some(AggregateId::Item(level.item_id));
        }
        if let Some(reservation) = self.reservation() {
            return Some(AggregateId::Reservation(reservation.reservation_id));
        }
        if let Self::InventoryItemCreated(details) | Self::InventoryItemUpdated(details) = self {
            return Some(AggregateId::Item(details.item_id));
        }
        if let Self::StoreCreated(details) | Self::StoreUpdated(details) = self {
            return store(&details.store_id);
        }
        if let Self::InventoryItemDeleted { item_id, .. } | Self::StockTransferred(Transfer { item_id, .. }) = self {
            return Some(AggregateId::Item(*item_id));
        }
        let Self::CommandRejected { item_id, reservation_id, store_id, .. } = self else { return None };
        match (item_id, reservation_id, store_id) {
            (Some(item), None, None) => Some(AggregateId::Item(*item)),
            (None, Some(reservation), None) => Some(AggregateId::Reservation(*reservation)),
            (None, None, Some(id)) => store(id),
            _ => None,
        }
    }

    /// The level that it tells, if it tells one.
    pub(super) const fn level(&self) -> Option<&LevelAfter> {
        match self {
            Self::StockAdjusted { after, .. }
            | Self::StockReserved { after, .. }
            | Self::StockReleased { after, .. }
            | Self::StockIssued { after, .. }
            | Self::StockSettingsChanged { after, .. }
            | Self::StockCounted { after, .. }
            | Self::StockDepleted(after)
            | Self::StockReplenished(after)
            | Self::LowStock { after, .. } => Some(after),
            Self::InventoryItemCreated(_)
            | Self::InventoryItemUpdated(_)
            | Self::InventoryItemDeleted { .. }
            | Self::StockTransferred(_)
            | Self::ReservationCreated(_)
            | Self::ReservationConfirmed(_)
            | Self::ReservationReleased(_)
            | Self::ReservationExpired(_)
            | Self::ReservationExtended(_)
            | Self::StoreCreated(_)
            | Self::StoreUpdated(_)
            | Self::CommandRejected { .. } => None,
        }
    }

    /// The reservation that it tells, if it is about one.
    pub(super) const fn reservation(&self) -> Option<&ReservationAfter> {
        if let Self::ReservationCreated(after)
        | Self::ReservationConfirmed(after)
        | Self::ReservationReleased(after)
        | Self::ReservationExpired(after)
        | Self::ReservationExtended(after) = self
        {
            Some(after)
        } else {
            None
        }
    }

    /// The reservation and the order that a fact about a level names.
    pub(super) fn held_for(&self) -> (Option<ReservationId>, Option<&str>) {
        if let Self::StockReserved { reservation_id, order_id, .. }
        | Self::StockIssued { reservation_id, order_id, .. } = self
        {
            return (Some(*reservation_id), order_id.as_deref());
        }
        let Self::StockReleased { reservation_id, order_id, .. } = self else { return (None, None) };
        (*reservation_id, order_id.as_deref())
    }

    /// What it does to its level, if it is a step of one.
    pub(super) const fn moves(&self) -> Option<Delta> {
        if let Self::StockAdjusted { adjustment, .. } = self {
            Some(Delta { quantity: *adjustment, reserved: 0 })
        } else if let Self::StockReserved { reserved_quantity, .. } = self {
            Some(Delta { quantity: 0, reserved: *reserved_quantity })
        } else if let Self::StockReleased { released_quantity, .. } = self {
            Some(Delta { quantity: 0, reserved: released_quantity.saturating_neg() })
        } else if let Self::StockIssued { issued_quantity, .. } = self {
            let less = issued_quantity.saturating_neg();
            Some(Delta { quantity: less, reserved: less })
        } else if let Self::StockSettingsChanged { .. } = self {
            Some(Delta { quantity: 0, reserved: 0 })
        } else {
            None
        }
    }

    /// The code, if it is a rejection.
    pub(super) fn rejection(&self) -> Option<&str> {
        if let Self::CommandRejected { code, .. } = self { Some(code) } else { None }
    }

    /// Whether it says that what is available crossed 0 or a threshold.
    pub(super) const fn is_edge(&self) -> bool {
        matches!(self, Self::StockDepleted(_) | Self::StockReplenished(_) | Self::LowStock { .. })
    }
}
