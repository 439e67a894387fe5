//! Requests: what a client asked for, accepted in form and not yet decided.

pub(super) mod body;
mod encode;

use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, Stream};
use crate::aggregate::{AggregateId, AggregateKind};
use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, IdempotencyId};
use crate::price::Price;
use crate::quantity::{Adjustment, PositiveQuantity, Quantity};
use crate::reservation::{Lines, Ttl};
use crate::text::{Category, CustomerId, Description, Location, Name, OrderId, Reason, Reference, Sku, StoreId};

pub use encode::{Canonical, EncodedRequest, NewRequest};

/// What the catalogue says of an item, besides its SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueFields {
    /// Shown to people.
    pub name: Name,
    /// Absent means none.
    pub description: Option<Description>,
    /// What kind of thing it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What one unit costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// A level is low when no more than this is available, unless it has a threshold of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_stock_threshold: Option<Quantity>,
}

impl CatalogueFields {
    /// With a name and nothing else.
    pub const fn named(name: Name) -> Self {
        Self { name, description: None, category: None, price: None, low_stock_threshold: None }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// A new item, with stock at `main` if `quantity` is not 0.
    CreateItem {
        /// It fixes the item's id.
        sku: Sku,
        /// All but the SKU.
        #[serde(flatten)]
        fields: CatalogueFields,
        /// Initial stock at `main`.
        quantity: Quantity,
    },
    /// Replaces all catalogue fields.
    UpdateItem(CatalogueFields),
    /// Deletes the item and writes its stock off.
    DeleteItem {},
    /// A signed change of the quantity on hand.
    #[serde(rename_all = "camelCase")]
    AdjustStock {
        /// Where.
        store_id: StoreId,
        /// By how much.
        quantity: Adjustment,
        /// Why.
        reason: Option<Reason>,
        /// The caller's own reference.
        reference: Option<Reference>,
    },
    /// Holds units back from sale, until they are released.
    #[serde(rename_all = "camelCase")]
    ReserveStock {
        /// Where.
        store_id: StoreId,
        /// How many.
        quantity: PositiveQuantity,
    },
    /// Gives units back that [`Self::ReserveStock`] reserved there, the oldest first.
    #[serde(rename_all = "camelCase")]
    ReleaseStock {
        /// Where.
        store_id: StoreId,
        /// How many.
        quantity: PositiveQuantity,
    },
    /// Sets the quantity on hand to what was counted.
    #[serde(rename_all = "camelCase")]
    CountStock {
        /// Where.
        store_id: StoreId,
        /// What was counted.
        quantity: Quantity,
        /// What was on hand when counting began; null: whatever it was.
        expected_quantity: Option<Quantity>,
        /// Why.
        reason: Option<Reason>,
    },
    /// Sets what one level has of its own.
    #[serde(rename_all = "camelCase")]
    ConfigureStock {
        /// Where.
        store_id: StoreId,
        /// Null: the item's.
        low_stock_threshold: Option<Quantity>,
    },
    /// Moves units from one store to another.
    #[serde(rename_all = "camelCase")]
    TransferStock {
        /// From where; another store than where to.
        from_store_id: StoreId,
        /// Where to.
        to_store_id: StoreId,
        /// How many.
        quantity: PositiveQuantity,
        /// Why.
        reason: Option<Reason>,
    },
    /// Holds units of several items for a buyer, all or none, until a deadline.
    #[serde(rename_all = "camelCase")]
    Reserve {
        /// Where.
        store_id: StoreId,
        /// What.
        lines: Lines,
        /// For whom.
        customer_id: Option<CustomerId>,
        /// For what.
        order_id: Option<OrderId>,
        /// For how long, from when it is applied.
        ttl_seconds: Ttl,
    },
    /// Issues what a reservation holds.
    #[serde(rename_all = "camelCase")]
    ConfirmReservation {
        /// The order that it is for from now on; null: the one that it was for.
        order_id: Option<OrderId>,
        /// What is issued; what is not named is released. Null: all.
        lines: Option<Lines>,
    },
    /// Moves the deadline.
    #[serde(rename_all = "camelCase")]
    ExtendReservation {
        /// For how long, from when it is applied.
        ttl_seconds: Ttl,
    },
    /// Gives everything back that a reservation holds.
    ReleaseReservation {},
    /// A new store.
    #[serde(rename_all = "camelCase")]
    CreateStore {
        /// Its id.
        store_id: StoreId,
        /// All but the id.
        #[serde(flatten)]
        fields: StoreFields,
    },
    /// Replaces all fields of a store.
    UpdateStore(StoreFields),
}

/// A store, besides its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreFields {
    /// Shown to people.
    pub name: Name,
    /// Where it is.
    pub location: Option<Location>,
    /// Whether it takes new reservations.
    #[serde(default = "active")]
    pub active: bool,
}

fn active() -> bool {
    true
}

impl Command {
    /// Every `eventType` of a request.
    pub const EVENT_TYPES: [&'static str; 15] = [
        "ItemCreationRequested",
        "ItemUpdateRequested",
        "ItemDeletionRequested",
        "StockAdjustmentRequested",
        "StockReservationRequested",
        "StockReleaseRequested",
        "StockCountRequested",
        "StockSettingsRequested",
        "StockTransferRequested",
        "ReservationRequested",
        "ReservationConfirmationRequested",
        "ReservationExtensionRequested",
        "ReservationReleaseRequested",
        "StoreCreationRequested",
        "StoreUpdateRequested",
    ];

    /// The `eventType` of the message that carries it.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::CreateItem { .. } => "ItemCreationRequested",
            Self::UpdateItem(_) => "ItemUpdateRequested",
            Self::DeleteItem {} => "ItemDeletionRequested",
            Self::AdjustStock { .. } => "StockAdjustmentRequested",
            Self::ReserveStock { .. } => "StockReservationRequested",
            Self::ReleaseStock { .. } => "StockReleaseRequested",
            Self::CountStock { .. } => "StockCountRequested",
            Self::ConfigureStock { .. } => "StockSettingsRequested",
            Self::TransferStock { .. } => "StockTransferRequested",
            Self::Reserve { .. } => "ReservationRequested",
            Self::ConfirmReservation { .. } => "ReservationConfirmationRequested",
            Self::ExtendReservation { .. } => "ReservationExtensionRequested",
            Self::ReleaseReservation {} => "ReservationReleaseRequested",
            Self::CreateStore { .. } => "StoreCreationRequested",
            Self::UpdateStore(_) => "StoreUpdateRequested",
        }
    }

    /// What it is asked of; `None` for a type that no request has.
    pub fn aggregate_kind(event_type: &str) -> Option<AggregateKind> {
        Some(match event_type {
            "ItemCreationRequested"
            | "ItemUpdateRequested"
            | "ItemDeletionRequested"
            | "StockAdjustmentRequested"
            | "StockReservationRequested"
            | "StockReleaseRequested"
            | "StockCountRequested"
            | "StockSettingsRequested"
            | "StockTransferRequested" => AggregateKind::Item,
            "ReservationRequested"
            | "ReservationConfirmationRequested"
            | "ReservationExtensionRequested"
            | "ReservationReleaseRequested" => AggregateKind::Reservation,
            "StoreCreationRequested" | "StoreUpdateRequested" => AggregateKind::Store,
            _ => return None,
        })
    }

    /// Where its rejection is published: with what became of the catalogue and of stores, or with what became of stock.
    pub const fn stream(&self) -> Stream {
        match self {
            Self::CreateItem { .. }
            | Self::UpdateItem(_)
            | Self::DeleteItem {}
            | Self::CreateStore { .. }
            | Self::UpdateStore(_) => Stream::Items,
            Self::AdjustStock { .. }
            | Self::ReserveStock { .. }
            | Self::ReleaseStock { .. }
            | Self::CountStock { .. }
            | Self::ConfigureStock { .. }
            | Self::TransferStock { .. }
            | Self::Reserve { .. }
            | Self::ConfirmReservation { .. }
            | Self::ExtendReservation { .. }
            | Self::ReleaseReservation {} => Stream::Stock,
        }
    }
}

/// The message on `inventory.commands`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestEnvelope {
    /// [`Command::event_type`].
    pub event_type: &'static str,
    /// [`EventId::of_request`].
    pub event_id: EventId,
    /// What is asked of; also the Kafka key.
    #[serde(serialize_with = "AggregateId::serialize_as_text")]
    pub aggregate_id: AggregateId,
    /// When command-service accepted it, by its own clock.
    pub occurred_at: Timestamp,
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// What the 202 told the client.
    pub command_id: CommandId,
    /// Follows the work across services.
    pub correlation_id: String,
    /// Present if the client sent an idempotency key.
    pub idempotency_id: Option<IdempotencyId>,
    /// [`fingerprint`] of what was asked.
    pub fingerprint: String,
    /// From `If-Match`: the version that the item (catalogue), the stock level (stock; of a transfer the one that units
    /// leave), the reservation or the store must have.
    pub expected_version: Option<u64>,
    /// Who asked.
    pub actor: String,
    /// What is asked.
    pub data: Command,
}

impl RequestEnvelope {
    /// A request made now; what can be derived is derived.
    pub fn new(
        aggregate_id: AggregateId,
        command_id: CommandId,
        command: Command,
        fingerprint: String,
        occurred_at: Timestamp,
    ) -> Self {
        Self {
            event_type: command.event_type(),
            event_id: EventId::of_request(command_id),
            aggregate_id,
            occurred_at,
            version: SCHEMA_VERSION,
            command_id,
            correlation_id: command_id.to_string(),
            idempotency_id: None,
            fingerprint,
            expected_version: None,
            actor: "anonymous".to_owned(),
            data: command,
        }
    }
}

/// [`Canonical::fingerprint`] of what is asked, alone.
pub fn fingerprint(of: Option<&AggregateId>, command: &Command, expected_version: Option<u64>) -> String {
    Canonical::of(of, command, expected_version).fingerprint().to_owned()
}
