//! The read model in Redis: its keys (`keys`), and what is under them.
//!
//! The projector of listener-service writes it, a query-service reads it; docs/SCHEMA.md explains it. Everything
//! that can be missing is tied to what says that it is there: the claim that the model is whole is a field of the hash
//! that holds the documents, so neither outlives the other.

mod document;
mod keys;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

pub use document::{InvalidDocument, ItemDocument, ItemView};
pub use keys::*;

use crate::aggregate::AggregateId;
use crate::clock::Timestamp;
use crate::id::{CommandId, DeadLetterId, ItemId, ReservationId};
use crate::outcome::OutcomeStatus;
use crate::price::{Currency, Price};
use crate::reservation::ReservationStatus;
use crate::text::StoreId;
use crate::token::LogId;

/// How far the model is, and whose it is. The projector replaces it by comparing the whole text with what it wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// [`FORM`]. What is written in another one cannot be read, and is filled anew.
    #[serde(deserialize_with = "this_form")]
    pub form: u32,
    /// New each time that the model is filled.
    pub generation: Uuid,
    /// `run_id` of the Redis process that it was filled in: a model that came back from a dump is not whole.
    pub run: String,
    /// The lease under which it was written last.
    pub epoch: i64,
    /// All facts up to this journal sequence are in it.
    pub sequence: u64,
    /// What the journal has at that sequence ([`tip`]): a database that was restored has something else there.
    pub tip: String,
    /// The log that is consumed; none before the first.
    pub log: Option<LogId>,
    /// The next offset of it to apply.
    pub next_offset: i64,
    /// Every outcome that was told at this time or later, by the writer's clock, is there, unless it is older than
    /// [`OUTCOME_SECONDS`].
    pub outcomes_since: Timestamp,
    /// Every reservation with this number or a higher one is there; of those with lower ones, the pending ones are. 0 if
    /// none was ever dropped.
    pub reservations_from: u64,
}

/// In which way documents are written: greater by one with each change of it.
pub const FORM: u32 = 2;

fn this_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let form = u32::deserialize(deserializer)?;
    if form == FORM { Ok(form) } else { Err(serde::de::Error::custom(format_args!("documents are of form {form}"))) }
}

/// Which entry of a journal this is; the writer's clock differs if commands are applied again after a restore.
pub fn tip(command: Option<CommandId>, fact_index: u32, occurred_at: Timestamp) -> String {
    let command = command.map(|command| command.to_string()).unwrap_or_default();
    format!("{command}/{fact_index}/{}", occurred_at.millis())
}

/// An item with its levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// UUIDv5 of the SKU.
    pub id: ItemId,
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Its description, if there is one.
    pub description: Option<String>,
    /// Of the catalogue data.
    pub version: u64,
    /// What kind of thing it is, if that is known.
    pub category: Option<String>,
    /// What one unit costs, if that is known.
    pub price: Option<Price>,
    /// A level is low when no more than this is available, unless it has a threshold of its own.
    pub low_stock_threshold: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its catalogue data changed last.
    pub updated_at: Timestamp,
    /// By store, in the order of their ids.
    pub levels: Vec<StoredLevel>,
    /// The journal sequence as of which this is the item; not below that of its last fact.
    pub as_of: u64,
}

impl StoredItem {
    /// Units on hand in all stores, reserved ones included.
    pub fn quantity(&self) -> i64 {
        self.levels.iter().map(|level| level.quantity).sum()
    }

    /// Units held back from sale in all stores.
    pub fn reserved(&self) -> i64 {
        self.levels.iter().map(|level| level.reserved).sum()
    }

    /// What a level is held to, if there is anything: its own threshold, or else the item's.
    pub fn threshold(&self, level: &StoredLevel) -> Option<i64> {
        level.low_stock_threshold.or(self.low_stock_threshold)
    }

    /// Whether no more is available at a level than its threshold.
    pub fn is_low(&self, level: &StoredLevel) -> bool {
        self.threshold(level).is_some_and(|threshold| level.quantity - level.reserved <= threshold)
    }

    /// When the catalogue data or any level changed last.
    pub fn touched_at(&self) -> Timestamp {
        self.levels.iter().map(|level| level.updated_at).fold(self.updated_at, Timestamp::max)
    }
}

/// The stock of an item at a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredLevel {
    /// The store.
    pub store_id: String,
    /// Units on hand, reserved ones included.
    pub quantity: i64,
    /// Units held back from sale.
    pub reserved: i64,
    /// Its own; without one the item's holds.
    pub low_stock_threshold: Option<i64>,
    /// Of this level.
    pub version: u64,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredReservation {
    /// The client's, or derived.
    pub id: ReservationId,
    /// Where it stands; one whose deadline has passed is pending until the writer says otherwise.
    pub status: ReservationStatus,
    /// The store whose stock it holds.
    pub store_id: String,
    /// For whom.
    pub customer_id: Option<String>,
    /// For what.
    pub order_id: Option<String>,
    /// Whether the simple `reserve` of an item made it.
    pub simple: bool,
    /// One an item, in the order of the request.
    pub lines: Vec<StoredLine>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires; none for a simple one that was never extended.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Counts its changes.
    pub version: u64,
    /// The journal sequence of its creation: lists are in its order, the newest first.
    pub number: u64,
    /// The journal sequence as of which this is the reservation.
    pub as_of: u64,
}

/// What a reservation holds, or held, of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredLine {
    /// The item.
    pub item_id: ItemId,
    /// Its SKU.
    pub sku: String,
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
pub struct StoredStore {
    /// Its id.
    pub store_id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: Option<String>,
    /// Whether it takes new reservations.
    pub active: bool,
    /// Counts its changes.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A store, and when it was so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreAsOf {
    /// The store.
    #[serde(flatten)]
    pub store: StoredStore,
    /// The journal sequence as of which this is the store.
    pub as_of: u64,
}

/// All stock of all live items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSummary {
    /// How many items there are.
    pub items: u64,
    /// Units on hand.
    pub units: i64,
    /// Units held back from sale.
    pub reserved: i64,
    /// What the units on hand of items with a price cost, in the order of the currencies.
    pub value: Vec<StoredValue>,
    /// The journal sequence as of which this is so.
    pub sequence: u64,
}

/// What units cost in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredValue {
    /// Of ISO 4217.
    pub currency: Currency,
    /// In its minor unit, as decimal digits: it may be more than 64 bits hold.
    pub amount_minor: String,
}

/// The final outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredOutcome {
    /// Applied, rejected or dead-lettered.
    pub status: OutcomeStatus,
    /// The request's `eventType`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What was asked of.
    #[serde(flatten)]
    pub of: Option<AggregateId>,
    /// Of the aggregate changed.
    pub version: Option<u64>,
    /// Of its last journal entry.
    pub sequence: u64,
    /// When it was decided.
    pub applied_at: Timestamp,
    /// Why not.
    pub code: Option<String>,
    /// Why not, in words.
    pub detail: Option<String>,
    /// The message kept for the operator.
    pub dead_letter_id: Option<DeadLetterId>,
}

/// What the projector tells on [`channel`], after what it is about is in the model. Without changes it is a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// That of the model.
    pub generation: Uuid,
    /// The sequence before; a listener that knows another one has missed something.
    pub previous: u64,
    /// The sequence now.
    pub sequence: u64,
    /// The log that is consumed.
    pub log: Option<LogId>,
    /// The next offset of it to apply.
    pub next_offset: i64,
    /// The last sequence of the journal, which the model may be behind.
    pub journal: u64,
    /// Items that changed.
    pub items: Vec<ItemId>,
    /// Reservations that changed.
    #[serde(default)]
    pub reservations: Vec<ReservationId>,
    /// Stores that changed.
    #[serde(default)]
    pub stores: Vec<StoreId>,
    /// Whose outcomes are there now.
    pub commands: Vec<CommandId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back() {
        let outcome = StoredOutcome {
            status: OutcomeStatus::DeadLettered,
            kind: "ItemCreationRequested".to_owned(),
            of: Some(AggregateId::Item(ItemId::from_uuid(Uuid::nil()))),
            version: None,
            sequence: 7,
            applied_at: Timestamp::from_millis(5),
            code: Some("TOO_OLD".to_owned()),
            detail: None,
            dead_letter_id: None,
        };
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<StoredOutcome>(&text).unwrap(), outcome);
    }
}
