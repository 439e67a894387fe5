//! The read model in Redis: its keys, and what is under them.
//!
//! The projector of listener-service writes it, a query-service reads it; docs/SCHEMA.md explains it. Everything
//! that can be missing is tied to what says that it is there: the claim that the model is whole is a field of the hash
//! that holds the documents, so neither outlives the other.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{CommandId, DeadLetterId, ItemId};
use crate::outcome::OutcomeStatus;
use crate::token::LogId;

/// Hash: item id → [`StoredItem`]. Beside the items it has the fields [`STATE`] and [`SUPERSEDED`].
pub const ITEMS: &str = "inventory:items";
/// Field of [`ITEMS`]: [`State`]. It exists only while the model is whole.
pub const STATE: &str = "state";
/// Field of [`ITEMS`]: the ids of logs that others have taken the place of, as a JSON array. It exists with [`STATE`].
pub const SUPERSEDED: &str = "superseded";
/// Field of [`ITEMS`] in place of the other two while the model is being filled: the new generation, the lease, and how
/// many calls it took so far, with blanks between.
pub const FILLING: &str = "filling";
/// Hash: SKU → id, name and search terms of the item, one a line ([`row`]).
pub const ROWS: &str = "inventory:rows";
/// Sorted set, all scores 0: `term\nSKU` for each term of each item, and [`SENTINEL`].
pub const TERMS: &str = "inventory:terms";
/// Sorted set, all scores 0: `beginning\nSKU\nindex`, the beginning that a term of an item shares with the item's next
/// one in order, unless it is empty; the index is the term's, from 0; and [`SENTINEL`]. With it the items that have terms
/// with a prefix can be counted: those in [`TERMS`] less those in here, for an item with n such terms is n times there and
/// n-1 times here.
pub const SHARED_BEGINNINGS: &str = "inventory:terms:shared";
/// A member that is written only when a sorted set is begun: one that was evicted, and written to since, has none. It
/// comes before all others.
pub const SENTINEL: &str = "";
/// Comes before every character that a name, a SKU or a term can have.
pub const SEPARATOR: char = '\n';
/// How long an outcome is there, in seconds.
pub const OUTCOME_SECONDS: u64 = 3600;
/// At least this often, the projector says how far it is.
pub const HEARTBEAT_MILLIS: u64 = 1000;

/// An order of lists: a sorted set with a member for each item. Ascending and descending have each their own, for ties
/// are in the ascending order of the SKU in both; SKUs have no ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Scores 0, members are SKUs.
    Sku,
    /// Scores 0, members `name\nSKU`.
    Name,
    /// Scores 0, members are the bytes of the name, each subtracted from 255, then 255, then the SKU.
    NameDescending,
    /// Scores are available units, members SKUs.
    Available,
    /// Scores are the negative of that.
    AvailableDescending,
    /// Scores are milliseconds since 1970, members SKUs.
    UpdatedAt,
    /// Scores are the negative of that.
    UpdatedAtDescending,
}

impl Order {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Sku,
        Self::Name,
        Self::NameDescending,
        Self::Available,
        Self::AvailableDescending,
        Self::UpdatedAt,
        Self::UpdatedAtDescending,
    ];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Sku => "inventory:by:sku",
            Self::Name => "inventory:by:name",
            Self::NameDescending => "inventory:by:-name",
            Self::Available => "inventory:by:available",
            Self::AvailableDescending => "inventory:by:-available",
            Self::UpdatedAt => "inventory:by:updatedAt",
            Self::UpdatedAtDescending => "inventory:by:-updatedAt",
        }
    }
}

/// What the keys of outcomes begin with.
pub const OUTCOMES: &str = "inventory:outcome:";

/// The key of an outcome: a string, [`StoredOutcome`], that expires.
pub fn outcome_key(command: CommandId) -> String {
    format!("{OUTCOMES}{command}")
}

/// The channel of [`Announcement`]s; channels are common to all databases of one Redis.
pub fn channel(database: i64) -> String {
    format!("inventory:changes:{database}")
}

/// The value under a SKU in [`ROWS`].
pub fn row(id: ItemId, name: &str, terms: &[String]) -> String {
    let mut row = format!("{id}{SEPARATOR}{name}");
    for term in terms {
        row.push(SEPARATOR);
        row.push_str(term);
    }
    row
}

/// How far the model is, and whose it is. The projector replaces it by comparing the whole text with what it wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
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
    /// Every outcome that was told at this time or later is there, unless it is older than [`OUTCOME_SECONDS`].
    pub outcomes_since: Timestamp,
}

/// Which entry of a journal this is; the writer's clock differs if commands are applied again after a restore.
pub fn tip(command: Option<CommandId>, fact_index: u32, occurred_at: Timestamp) -> String {
    let command = command.map(|command| command.to_string()).unwrap_or_default();
    format!("{command}/{fact_index}/{}", occurred_at.millis())
}

/// An item with its levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// Of this level.
    pub version: u64,
    /// When it changed last.
    pub updated_at: Timestamp,
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
    /// The item that was asked of.
    pub item_id: Option<ItemId>,
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
    /// What changed.
    pub items: Vec<ItemId>,
    /// Whose outcomes are there now.
    pub commands: Vec<CommandId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_line_for_each_part() {
        let id = ItemId::from_uuid(Uuid::nil());
        assert_eq!(row(id, "A b", &["a b".to_owned(), "b".to_owned()]), format!("{id}\nA b\na b\nb"));
    }

    #[test]
    fn what_is_stored_reads_back() {
        let outcome = StoredOutcome {
            status: OutcomeStatus::DeadLettered,
            kind: "ItemCreationRequested".to_owned(),
            item_id: None,
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
