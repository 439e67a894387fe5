//! What a decision needs to know.

use shared::clock::Timestamp;
use shared::id::{EventId, ItemId};
use shared::message::{Fact, ItemDetails, ReservationAfter, ReservedLine};
use shared::price::Price;
use shared::quantity::Quantity;
use shared::text::{Sku, StoreId};

use super::{ByStore, Change};

/// The catalogue side of an item, as far as decisions need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its SKU.
    pub sku: Sku,
    /// Counts the changes of its catalogue data, deletions and creations included.
    pub version: u64,
    /// A tombstone: unknown to commands, but its version goes on.
    pub deleted: bool,
    /// What one unit costs.
    pub price: Option<Price>,
    /// Below or at this a level is low that has no threshold of its own.
    pub low_stock_threshold: Option<i64>,
}

/// The stock of an item at one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Units on hand.
    pub quantity: i64,
    /// Units held back, at most `quantity`.
    pub reserved: i64,
    /// Its own threshold.
    pub low_stock_threshold: Option<i64>,
    /// Counts the changes of this level; 0 before the first.
    pub version: u64,
}

impl Level {
    /// Units for sale.
    pub const fn available(self) -> i64 {
        self.quantity - self.reserved
    }
}

/// An item with all its levels; nothing in it if the SKU was never created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// The item, a tombstone too.
    pub item: Option<Item>,
    /// By store; a store without a level has none.
    pub levels: ByStore<Level>,
}

impl Aggregate {
    /// The level at a store, zeros if there is none.
    pub fn level(&self, store: &StoreId) -> Level {
        self.levels.get(store).copied().unwrap_or_default()
    }

    /// The item unless it is a tombstone.
    pub fn live(&self) -> Option<&Item> {
        self.item.as_ref().filter(|item| !item.deleted)
    }

    /// What a level of it is held to: its own threshold, or else the item's.
    pub fn threshold(&self, level: Level) -> Option<i64> {
        level.low_stock_threshold.or_else(|| self.live()?.low_stock_threshold)
    }

    /// Units on hand in all stores.
    pub fn quantity(&self) -> i64 {
        self.levels.iter().map(|(_, level)| level.quantity).sum()
    }

    /// What is so after `change`; a fact about something else changes nothing.
    pub fn evolve(&mut self, change: &Change) {
        let (fact, version) = (&change.fact, change.version);
        if let Some(after) = fact.level().filter(|_| fact.moves_level()) {
            let mut level = self.level(&after.store_id);
            (level.quantity, level.reserved, level.version) = (after.total_quantity, after.reserved_total, version);
            if let Fact::StockSettingsChanged { low_stock_threshold, .. } = fact {
                level.low_stock_threshold = low_stock_threshold.map(Quantity::units);
            }
            self.levels.insert(after.store_id.clone(), level);
        } else if let Fact::ItemCreated(details) | Fact::ItemUpdated(details) = fact {
            self.item = Some(Item::of(details, version));
        } else if let (Fact::ItemDeleted { .. }, Some(item)) = (fact, &mut self.item) {
            item.version = version;
            item.deleted = true;
        }
    }
}

impl Item {
    fn of(details: &ItemDetails, version: u64) -> Self {
        Self {
            sku: details.sku.clone(),
            version,
            deleted: false,
            price: details.price,
            low_stock_threshold: details.low_stock_threshold.map(Quantity::units),
        }
    }
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// All that facts tell of it.
    pub details: ReservationAfter,
    /// The fact that set its deadline, if it has one.
    pub deadline_by: Option<EventId>,
    /// Counts its changes.
    pub version: u64,
}

impl Reservation {
    /// Whether its deadline is behind `now`.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.details.expires_at.is_some_and(|deadline| deadline <= now)
    }
}

/// Units of a line that are still held.
pub(super) const fn held(line: &ReservedLine) -> i64 {
    line.quantity - line.confirmed - line.released
}

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// Whether it takes new reservations.
    pub active: bool,
    /// Counts its changes.
    pub version: u64,
}

/// All that one decision may look at. What it does not name is not there.
#[derive(Debug, Default)]
pub struct Situation<'a> {
    /// The items that the command is about.
    pub items: Vec<(ItemId, &'a Aggregate)>,
    /// The stores that it names and that exist.
    pub stores: Vec<(StoreId, Store)>,
    /// The reservation that it names, or whose id it would give to a new one.
    pub reservation: Option<&'a Reservation>,
    /// The pending simple reservations at its level, the oldest first: as many as are needed, or all.
    pub simple: &'a [Reservation],
}

impl Situation<'_> {
    pub(super) fn item(&self, id: ItemId) -> Option<&Aggregate> {
        self.items.iter().find(|(known, _)| *known == id).map(|(_, aggregate)| *aggregate)
    }

    pub(super) fn store(&self, id: &StoreId) -> Option<Store> {
        self.stores.iter().find(|(known, _)| known == id).map(|(_, store)| *store)
    }
}
