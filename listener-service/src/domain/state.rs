//! What a decision needs to know of an item and its stock levels.

use std::collections::BTreeMap;

use shared::message::Fact;
use shared::text::{Sku, StoreId};

use super::Change;

/// The catalogue side of an item, as far as decisions need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its SKU.
    pub sku: Sku,
    /// Counts the changes of its catalogue data, deletions and creations included.
    pub version: u64,
    /// A tombstone: unknown to commands, but its version goes on.
    pub deleted: bool,
}

/// The stock of an item at one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Units on hand.
    pub quantity: i64,
    /// Units held back, at most `quantity`.
    pub reserved: i64,
    /// Counts the changes of this level; 0 before the first.
    pub version: u64,
}

impl Level {
    /// Units for sale.
    pub fn available(self) -> i64 {
        self.quantity - self.reserved
    }
}

/// An item with all its levels; nothing in it if the SKU was never created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// The item, a tombstone too.
    pub item: Option<Item>,
    /// By store; a store without a level has none.
    pub levels: BTreeMap<StoreId, Level>,
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

    /// What is so after `change`.
    pub fn evolve(&mut self, change: &Change) {
        match &change.fact {
            Fact::ItemCreated(details) => {
                let sku = details.sku.clone();
                self.item = Some(Item { sku, version: change.version, deleted: false });
            }
            Fact::ItemUpdated(_) => {
                if let Some(item) = &mut self.item {
                    item.version = change.version;
                }
            }
            Fact::ItemDeleted { .. } => {
                if let Some(item) = &mut self.item {
                    item.version = change.version;
                    item.deleted = true;
                }
            }
            Fact::StockAdjusted { level, .. }
            | Fact::StockReserved { level, .. }
            | Fact::StockReleased { level, .. } => {
                let after =
                    Level { quantity: level.total_quantity, reserved: level.reserved_total, version: change.version };
                self.levels.insert(level.store_id.clone(), after);
            }
            Fact::CommandRejected { .. } => {}
        }
    }
}
