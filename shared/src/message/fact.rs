//! Facts: what became of a request. Decided once by the writer, never changed.

use serde::{Deserialize, Serialize};

use crate::aggregate::AggregateId;
use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, ItemId, ReservationId};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::reservation::ReservationStatus;
use crate::text::{Category, CustomerId, Description, Location, Name, OrderId, Reason, Reference, Sku, StoreId};

/// Where a journal entry is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `inventory.items`: what became of catalogue requests, and of stores.
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
    /// What kind of thing it is, or null.
    pub category: Option<Category>,
    /// What one unit costs, or null.
    pub price: Option<Price>,
    /// A level of it is low when no more than this is available, unless it has a threshold of its own; or null.
    pub low_stock_threshold: Option<Quantity>,
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

/// A reservation after a fact: a consumer needs no lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationAfter {
    /// The reservation.
    pub reservation_id: ReservationId,
    /// The store whose stock it holds.
    pub store_id: StoreId,
    /// For whom, or null.
    pub customer_id: Option<CustomerId>,
    /// For what, or null.
    pub order_id: Option<OrderId>,
    /// Where it stands.
    pub status: ReservationStatus,
    /// Whether it was made by a `StockReservationRequested`: it has no deadline unless it is extended, and a
    /// `StockReleaseRequested` may release it.
    pub simple: bool,
    /// One an item.
    pub lines: Vec<ReservedLine>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires unless it ends before; null: never.
    pub expires_at: Option<Timestamp>,
    /// When it ended; null while it is pending.
    pub ended_at: Option<Timestamp>,
}

/// What a reservation holds, or held, of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedLine {
    /// The item.
    pub item_id: ItemId,
    /// Its SKU.
    pub sku: Sku,
    /// Units reserved at first.
    pub quantity: i64,
    /// Of these, issued.
    pub confirmed: i64,
    /// Of these, given back.
    pub released: i64,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreDetails {
    /// Its id.
    pub store_id: StoreId,
    /// Its name.
    pub name: Name,
    /// Where it is, or null.
    pub location: Option<Location>,
    /// Whether it takes new reservations.
    pub active: bool,
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
        /// The signed change; 0 only for a count that found what was expected.
        adjustment: i64,
        /// On hand before.
        previous_quantity: i64,
        /// On hand after.
        new_quantity: i64,
        /// Why: the caller's, or `initial`, `deleted`, `count` or `transfer`.
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
        /// The reservation that holds them.
        reservation_id: ReservationId,
        /// For what, or null.
        order_id: Option<OrderId>,
    },
    /// Units are for sale again.
    #[serde(rename_all = "camelCase")]
    StockReleased {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// How many by this command.
        released_quantity: i64,
        /// The reservation that held them; null if several simple ones did.
        reservation_id: Option<ReservationId>,
        /// For what they were held, or null.
        order_id: Option<OrderId>,
    },
    /// Reserved units have left the store.
    #[serde(rename_all = "camelCase")]
    StockIssued {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// How many.
        issued_quantity: i64,
        /// The reservation that held them.
        reservation_id: ReservationId,
        /// For what, or null.
        order_id: Option<OrderId>,
    },
    /// What the level has of its own changed; its units did not.
    #[serde(rename_all = "camelCase")]
    StockSettingsChanged {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// Its own threshold; null: the item's.
        low_stock_threshold: Option<Quantity>,
    },
    /// Units went from one store to another, as two `StockAdjusted` say.
    #[serde(rename_all = "camelCase")]
    StockTransferred {
        /// The item.
        item_id: ItemId,
        /// Its SKU.
        sku: Sku,
        /// From where.
        from_store_id: StoreId,
        /// Where to.
        to_store_id: StoreId,
        /// How many units.
        quantity: i64,
        /// Why, or null.
        reason: Option<Reason>,
    },
    /// The quantity on hand was counted, as a `StockAdjusted` says.
    #[serde(rename_all = "camelCase")]
    StockCounted {
        /// The level after it.
        #[serde(flatten)]
        level: LevelAfter,
        /// What was counted.
        counted_quantity: i64,
        /// What was on hand before.
        previous_quantity: i64,
        /// Why, or null.
        reason: Option<Reason>,
    },
    /// What is available has become 0.
    StockDepleted {
        /// The level.
        #[serde(flatten)]
        level: LevelAfter,
    },
    /// What is available was 0 and is not any more.
    StockReplenished {
        /// The level.
        #[serde(flatten)]
        level: LevelAfter,
    },
    /// What is available has come to the threshold, or below.
    LowStock {
        /// The level.
        #[serde(flatten)]
        level: LevelAfter,
        /// The level's own, or else the item's.
        threshold: i64,
    },
    /// Stock is held, as `StockReserved` says of each line.
    ReservationCreated(ReservationAfter),
    /// What is issued was, as `StockIssued` says; the rest was given back, as `StockReleased` says.
    ReservationConfirmed(ReservationAfter),
    /// Held stock was given back, as `StockReleased` says: all of it, or of a simple reservation a part.
    ReservationReleased(ReservationAfter),
    /// The deadline has passed: held stock was given back, as `StockReleased` says.
    ReservationExpired(ReservationAfter),
    /// The deadline was moved.
    ReservationExtended(ReservationAfter),
    /// There is a store.
    StoreCreated(StoreDetails),
    /// All fields of a store as they are now.
    StoreUpdated(StoreDetails),
    /// A business rule said no; nothing changed.
    #[serde(rename_all = "camelCase")]
    CommandRejected {
        /// What was asked of: `itemId`, `reservationId` or `storeId`.
        #[serde(flatten)]
        of: AggregateId,
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
    pub const EVENT_TYPES: [&'static str; 21] = [
        "InventoryItemCreated",
        "InventoryItemUpdated",
        "InventoryItemDeleted",
        "StockAdjusted",
        "StockReserved",
        "StockReleased",
        "StockIssued",
        "StockSettingsChanged",
        "StockTransferred",
        "StockCounted",
        "StockDepleted",
        "StockReplenished",
        "LowStock",
        "ReservationCreated",
        "ReservationConfirmed",
        "ReservationReleased",
        "ReservationExpired",
        "ReservationExtended",
        "StoreCreated",
        "StoreUpdated",
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
            Self::StockIssued { .. } => "StockIssued",
            Self::StockSettingsChanged { .. } => "StockSettingsChanged",
            Self::StockTransferred { .. } => "StockTransferred",
            Self::StockCounted { .. } => "StockCounted",
            Self::StockDepleted { .. } => "StockDepleted",
            Self::StockReplenished { .. } => "StockReplenished",
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

    /// What it is about; also the Kafka key.
    pub fn aggregate(&self) -> AggregateId {
        match self {
            Self::ItemCreated(details) | Self::ItemUpdated(details) => AggregateId::Item(details.item_id),
            Self::ItemDeleted { item_id, .. } | Self::StockTransferred { item_id, .. } => AggregateId::Item(*item_id),
            Self::ReservationCreated(reservation)
            | Self::ReservationConfirmed(reservation)
            | Self::ReservationReleased(reservation)
            | Self::ReservationExpired(reservation)
            | Self::ReservationExtended(reservation) => AggregateId::Reservation(reservation.reservation_id),
            Self::StoreCreated(store) | Self::StoreUpdated(store) => AggregateId::Store(store.store_id.clone()),
            Self::CommandRejected { of, .. } => of.clone(),
            Self::StockAdjusted { level, .. }
            | Self::StockReserved { level, .. }
            | Self::StockReleased { level, .. }
            | Self::StockIssued { level, .. }
            | Self::StockSettingsChanged { level, .. }
            | Self::StockCounted { level, .. }
            | Self::StockDepleted { level }
            | Self::StockReplenished { level }
            | Self::LowStock { level, .. } => AggregateId::Item(level.item_id),
        }
    }

    /// The level after it, if it tells one.
    pub const fn level(&self) -> Option<&LevelAfter> {
        match self {
            Self::StockAdjusted { level, .. }
            | Self::StockReserved { level, .. }
            | Self::StockReleased { level, .. }
            | Self::StockIssued { level, .. }
            | Self::StockSettingsChanged { level, .. }
            | Self::StockCounted { level, .. }
            | Self::StockDepleted { level }
            | Self::StockReplenished { level }
            | Self::LowStock { level, .. } => Some(level),
            Self::ItemCreated(_)
            | Self::ItemUpdated(_)
            | Self::ItemDeleted { .. }
            | Self::StockTransferred { .. }
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

    /// Whether it is a step of its level's version; the other facts that tell a level only speak of such steps.
    pub const fn moves_level(&self) -> bool {
        matches!(
            self,
            Self::StockAdjusted { .. }
                | Self::StockReserved { .. }
                | Self::StockReleased { .. }
                | Self::StockIssued { .. }
                | Self::StockSettingsChanged { .. }
        )
    }

    /// Where it is published, if it is no rejection: that goes where its request belongs.
    pub const fn stream(&self) -> Option<Stream> {
        match self {
            Self::ItemCreated(_)
            | Self::ItemUpdated(_)
            | Self::ItemDeleted { .. }
            | Self::StoreCreated(_)
            | Self::StoreUpdated(_) => Some(Stream::Items),
            Self::StockAdjusted { .. }
            | Self::StockReserved { .. }
            | Self::StockReleased { .. }
            | Self::StockIssued { .. }
            | Self::StockSettingsChanged { .. }
            | Self::StockTransferred { .. }
            | Self::StockCounted { .. }
            | Self::StockDepleted { .. }
            | Self::StockReplenished { .. }
            | Self::LowStock { .. }
            | Self::ReservationCreated(_)
            | Self::ReservationConfirmed(_)
            | Self::ReservationReleased(_)
            | Self::ReservationExpired(_)
            | Self::ReservationExtended(_) => Some(Stream::Stock),
            Self::CommandRejected { .. } => None,
        }
    }
}

/// The message on `inventory.items` and `inventory.stock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FactEnvelope<'a> {
    /// [`Fact::event_type`].
    pub event_type: &'static str,
    /// [`EventId::of_fact`], or [`EventId::of_expiry`].
    pub event_id: EventId,
    /// [`Fact::aggregate`]; also the Kafka key.
    #[serde(serialize_with = "AggregateId::serialize_as_text")]
    pub aggregate_id: AggregateId,
    /// The writer's clock.
    pub occurred_at: Timestamp,
    /// [`super::SCHEMA_VERSION`].
    pub version: u32,
    /// The command that caused it; null for an expiry, which nobody asked for.
    pub command_id: Option<CommandId>,
    /// The request's; of an expiry the reservation's id.
    pub correlation_id: &'a str,
    /// Of the aggregate after it, or of the level if it tells one (of a transfer the one that units left); for a
    /// rejection the version it was decided against.
    pub aggregate_version: u64,
    /// Its place in the journal: one order over everything.
    pub sequence: u64,
    /// The `eventId` of the request; of an expiry that of the fact that set the deadline.
    pub causation_id: EventId,
    /// Who asked; `system` for an expiry.
    pub actor: &'a str,
    /// What happened.
    pub data: &'a Fact,
}

/// The actor of what follows from a deadline.
pub const SYSTEM: &str = "system";
