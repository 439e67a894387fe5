//! The read model in Redis: its keys, and what is under them.
//!
//! The projector of listener-service writes it, a query-service reads it; docs/SCHEMA.md explains it. Everything
//! that can be missing is tied to what says that it is there: the claim that the model is whole is a field of the hash
//! that holds the documents, so neither outlives the other.

mod document;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

pub use document::{InvalidDocument, ItemDocument, ItemView};

use crate::aggregate::AggregateId;
use crate::clock::Timestamp;
use crate::id::{CommandId, DeadLetterId, ItemId, ReservationId};
use crate::outcome::OutcomeStatus;
use crate::price::{Currency, Price};
use crate::reservation::ReservationStatus;
use crate::text::StoreId;
use crate::token::LogId;

/// Hash: item id → [`ItemDocument`]. Beside the items it has the fields [`STATE`], [`SUPERSEDED`] and [`SUMMARY`].
pub const ITEMS: &str = "inventory:items";
/// Field of [`ITEMS`]: [`State`]. It exists only while the model is whole.
pub const STATE: &str = "state";
/// Field of [`ITEMS`]: the ids of logs that others have taken the place of, as a JSON array. It exists with [`STATE`].
pub const SUPERSEDED: &str = "superseded";
/// Field of [`ITEMS`]: [`StoredSummary`]. It exists with [`STATE`].
pub const SUMMARY: &str = "summary";
/// Field of [`ITEMS`] in place of the other three while the model is being filled: the new generation, the lease, and
/// how many calls it took so far, with blanks between.
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
/// Hash: SKU → what lists can be filtered by ([`facets`]).
pub const FACETS: &str = "inventory:facets";
/// Sorted set, all scores 0: `facet\nSKU` for each [`Facet`] of each item but [`Facet::Low`], and [`SENTINEL`].
pub const BY_FACET: &str = "inventory:by:facet";
/// Sorted set, all scores 0: `SKU\nstore` for each level that is low ([`StoredItem::is_low`]), and [`SENTINEL`].
pub const LOW_STOCK: &str = "inventory:low";
/// Sorted set: the SKUs of items of which units are reserved, the scores are the negative of how many; and [`SENTINEL`]
/// with score 0.
pub const MOST_RESERVED: &str = "inventory:by:-reserved";
/// Hash: reservation id → [`StoredReservation`]: all pending ones, and those that ended unless they were dropped
/// ([`State::reservations_from`]). [`SENTINEL`] is a field of it too, and holds the generation: it was begun with the
/// rest of the model, and nothing of it was lost since.
pub const RESERVATIONS: &str = "inventory:reservations";
/// Sorted set: the ids of the reservations that have ended, the scores are when; and [`SENTINEL`] with score 0. What is to be
/// dropped is found here.
pub const ENDED: &str = "inventory:reservations:ended";
/// How many reservations that have ended are kept, of those that ended last.
pub const ENDED_KEPT: usize = 100_000;
/// Hash: store id → [`StoreAsOf`], and [`SENTINEL`] as in [`RESERVATIONS`].
pub const STORES: &str = "inventory:stores";
/// A member that is written only when a sorted set is begun: one that was evicted, and written to since, has none. It
/// comes before all others of the same score. Hashes beside that of the items have it as a field.
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

/// What lists of reservations are made by: a sorted set each, all scores 0, with a member `value\nnumber\nid` for each
/// reservation that has such a value, where the number has 16 digits; and [`SENTINEL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationIndex {
    /// All of them: the value is empty.
    All,
    /// By order id.
    Order,
    /// By customer id.
    Customer,
    /// By item id: a member for each line.
    Item,
}

impl ReservationIndex {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::All, Self::Order, Self::Customer, Self::Item];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::All => "inventory:reservations:all",
            Self::Order => "inventory:reservations:by:order",
            Self::Customer => "inventory:reservations:by:customer",
            Self::Item => "inventory:reservations:by:item",
        }
    }
}

/// What stands behind the value in a member of a [`ReservationIndex`], after a separator. Numbers are journal sequences, and
/// compare as text because all have as many digits.
pub fn numbered(number: u64, id: ReservationId) -> String {
    format!("{number:016}{SEPARATOR}{id}")
}

/// Something that lists can be filtered by. As text it begins with a letter of its own, and what has a value in common
/// begins with the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet<'a> {
    /// `c` and the category.
    Category(&'a str),
    /// `p`, the currency, a blank, and 13 digits.
    Price(Price),
    /// `a1` if units are available at some store, else `a0`.
    Available(bool),
    /// `s`, a store where it has a level, a blank, and `1` if units are available there, else `0`.
    Level(&'a str, bool),
    /// `l` and a store where its level is low.
    Low(&'a str),
}

impl fmt::Display for Facet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category(category) => write!(f, "c{category}"),
            Self::Price(price) => write!(f, "p{} {:013}", price.currency, price.amount_minor.minor()),
            Self::Available(is_available) => write!(f, "a{}", u8::from(*is_available)),
            Self::Level(store, is_available) => write!(f, "s{store} {}", u8::from(*is_available)),
            Self::Low(store) => write!(f, "l{store}"),
        }
    }
}

/// The value under a SKU in [`FACETS`]: a separator before and after each.
pub fn facets(item: &StoredItem) -> String {
    let mut text = String::from(SEPARATOR);
    let mut put = |facet: Facet<'_>| {
        text.push_str(&facet.to_string());
        text.push(SEPARATOR);
    };
    put(Facet::Available(item.quantity() > item.reserved()));
    if let Some(category) = &item.category {
        put(Facet::Category(category));
    }
    if let Some(price) = item.price {
        put(Facet::Price(price));
    }
    for level in &item.levels {
        put(Facet::Level(&level.store_id, level.quantity > level.reserved));
        if item.is_low(level) {
            put(Facet::Low(&level.store_id));
        }
    }
    text
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
    fn a_row_has_a_line_for_each_part() {
        let id = ItemId::from_uuid(Uuid::nil());
        assert_eq!(row(id, "A b", &["a b".to_owned(), "b".to_owned()]), format!("{id}\nA b\na b\nb"));
    }

    #[test]
    fn an_item_has_a_facet_for_each_thing_that_lists_ask_for() {
        let level = |store: &str, quantity, reserved, low_stock_threshold| StoredLevel {
            store_id: store.to_owned(),
            quantity,
            reserved,
            low_stock_threshold,
            version: 1,
            updated_at: Timestamp::from_millis(0),
        };
        let amount_minor = crate::price::AmountMinor::parse(1299).unwrap();
        let item = StoredItem {
            id: ItemId::from_uuid(Uuid::nil()),
            sku: "A".to_owned(),
            name: "A".to_owned(),
            description: None,
            version: 1,
            category: Some("Home & garden".to_owned()),
            price: Some(Price { amount_minor, currency: Currency::parse("EUR").unwrap() }),
            low_stock_threshold: Some(2),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            levels: vec![level("main", 5, 3, None), level("shop", 2, 2, Some(0)), level("west", 9, 8, Some(0))],
            as_of: 1,
        };
        let expected = "\na1\ncHome & garden\npEUR 0000000001299\nsmain 1\nlmain\nsshop 0\nlshop\nswest 1\n";
        assert_eq!(facets(&item), expected);
        assert_eq!(facets(&StoredItem { category: None, price: None, levels: vec![], ..item }), "\na0\n");
    }

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
