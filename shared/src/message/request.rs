//! Requests: what a client asked for, accepted in form and not yet decided.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::SCHEMA_VERSION;
use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, IdempotencyId, ItemId};
use crate::quantity::{Adjustment, PositiveQuantity, Quantity};
use crate::text::{Description, Name, Reason, Reference, Sku, StoreId};

/// What is asked of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// A new item, with stock at `main` if `quantity` is not 0.
    #[serde(rename_all = "camelCase")]
    CreateItem {
        /// It fixes the item's id.
        sku: Sku,
        /// Shown to people.
        name: Name,
        /// Absent means none.
        description: Option<Description>,
        /// Initial stock at `main`.
        quantity: Quantity,
    },
    /// Replaces all catalogue fields.
    #[serde(rename_all = "camelCase")]
    UpdateItem {
        /// The new name.
        name: Name,
        /// Absent clears it.
        description: Option<Description>,
    },
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
    /// Holds units back from sale.
    #[serde(rename_all = "camelCase")]
    ReserveStock {
        /// Where.
        store_id: StoreId,
        /// How many.
        quantity: PositiveQuantity,
    },
    /// Gives reserved units back.
    #[serde(rename_all = "camelCase")]
    ReleaseStock {
        /// Where.
        store_id: StoreId,
        /// How many.
        quantity: PositiveQuantity,
    },
}

impl Command {
    /// Every `eventType` of a request.
    pub const EVENT_TYPES: [&'static str; 6] = [
        "ItemCreationRequested",
        "ItemUpdateRequested",
        "ItemDeletionRequested",
        "StockAdjustmentRequested",
        "StockReservationRequested",
        "StockReleaseRequested",
    ];

    /// The `eventType` of the message that carries it.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::CreateItem { .. } => "ItemCreationRequested",
            Self::UpdateItem { .. } => "ItemUpdateRequested",
            Self::DeleteItem {} => "ItemDeletionRequested",
            Self::AdjustStock { .. } => "StockAdjustmentRequested",
            Self::ReserveStock { .. } => "StockReservationRequested",
            Self::ReleaseStock { .. } => "StockReleaseRequested",
        }
    }

    /// Whether it changes the catalogue (else stock): where its rejection is published, and whose tag it expects.
    pub const fn is_catalogue(&self) -> bool {
        match self {
            Self::CreateItem { .. } | Self::UpdateItem { .. } | Self::DeleteItem {} => true,
            Self::AdjustStock { .. } | Self::ReserveStock { .. } | Self::ReleaseStock { .. } => false,
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
    /// The item; also the Kafka key.
    pub aggregate_id: ItemId,
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
    /// From `If-Match`: the version that the item (catalogue) or the stock level (stock) must have.
    pub expected_version: Option<u64>,
    /// Who asked.
    pub actor: String,
    /// What is asked.
    pub data: Command,
}

impl RequestEnvelope {
    /// A request made now; what can be derived is derived.
    pub fn new(
        aggregate_id: ItemId,
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

/// SHA-256, in hex, of what was asked in canonical form (parsed, trimmed, defaults filled in) and of `If-Match`.
pub fn fingerprint(item: ItemId, command: &Command, expected_version: Option<u64>) -> String {
    #[derive(Serialize)]
    struct Canonical<'a>(ItemId, &'static str, &'a Command, Option<u64>);
    let canonical = serde_json::to_vec(&Canonical(item, command.event_type(), command, expected_version))
        .expect("ids, numbers and text always serialise");
    Sha256::digest(canonical).iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write;
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
        hex
    })
}

/// The bodies as they are read; [`Command`] is chosen by `eventType`.
pub(super) mod body {
    use super::{Adjustment, Description, Name, PositiveQuantity, Quantity, Reason, Reference, Sku, StoreId};
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(crate) struct CreateItem {
        pub sku: Sku,
        pub name: Name,
        pub description: Option<Description>,
        #[serde(default)]
        pub quantity: Quantity,
    }

    #[derive(Deserialize)]
    pub(crate) struct UpdateItem {
        pub name: Name,
        pub description: Option<Description>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct AdjustStock {
        #[serde(default = "StoreId::main")]
        pub store_id: StoreId,
        pub quantity: Adjustment,
        pub reason: Option<Reason>,
        pub reference: Option<Reference>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct MoveStock {
        #[serde(default = "StoreId::main")]
        pub store_id: StoreId,
        pub quantity: PositiveQuantity,
    }
}
