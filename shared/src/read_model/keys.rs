//! The keys of the model, and what stands in their members.

use std::fmt;

use super::StoredItem;
use crate::id::{CommandId, ItemId, ReservationId};
use crate::price::Price;

/// Hash: item id → [`super::ItemDocument`]. Beside the items it has the fields [`STATE`], [`SUPERSEDED`] and [`SUMMARY`].
pub const ITEMS: &str = "inventory:items";
/// Field of [`ITEMS`]: [`super::State`]. It exists only while the model is whole.
pub const STATE: &str = "state";
/// Field of [`ITEMS`]: the ids of logs that others have taken the place of, as a JSON array. It exists with [`STATE`].
pub const SUPERSEDED: &str = "superseded";
/// Field of [`ITEMS`]: [`super::StoredSummary`]. It exists with [`STATE`].
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
/// Hash: reservation id → [`super::StoredReservation`]: all pending ones, and those that ended unless they were dropped
/// ([`super::State::reservations_from`]). [`SENTINEL`] is a field of it too, and holds the generation: it was begun with
/// the rest of the model, and nothing of it was lost since.
pub const RESERVATIONS: &str = "inventory:reservations";
/// Sorted set: the ids of the reservations that have ended, the scores are when; and [`SENTINEL`] with score 0. What is to be
/// dropped is found here.
pub const ENDED: &str = "inventory:reservations:ended";
/// How many reservations that have ended are kept, of those that ended last.
pub const ENDED_KEPT: usize = 100_000;
/// Hash: store id → [`super::StoreAsOf`], and [`SENTINEL`] as in [`RESERVATIONS`].
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

/// The key of an outcome: a string, [`super::StoredOutcome`], that expires.
pub fn outcome_key(command: CommandId) -> String {
    format!("{OUTCOMES}{command}")
}

/// The channel of [`super::Announcement`]s; channels are common to all databases of one Redis.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;
    use crate::price::Currency;
    use crate::read_model::StoredLevel;

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
}
