//! The state rebuilt from the journal alone, with every step of the way checked.

use std::collections::BTreeMap;

use shared::id::ItemId;
use shared::quantity::MAX_UNITS;

use super::Report;
use super::database::{Database, Entry, Item, Level};
use super::fact::{Change, Details, LevelAfter, Message};

/// What the journal says the tables hold.
#[derive(Default)]
pub(super) struct Rebuilt {
    pub items: BTreeMap<ItemId, Item>,
    pub levels: BTreeMap<(ItemId, String), Level>,
}

pub(super) fn replay(database: &Database, report: &mut Report) -> Rebuilt {
    let mut rebuilt = Rebuilt::default();
    for entry in &database.journal {
        if let Some(message) = &entry.message {
            rebuilt.apply(entry, message, report);
        }
    }
    rebuilt
}

/// How a stock fact changes its level.
struct Delta {
    quantity: i64,
    reserved: i64,
}

impl Rebuilt {
    fn apply(&mut self, entry: &Entry, message: &Message, report: &mut Report) {
        match &message.change {
            Change::InventoryItemCreated(details) => {
                let exists = self.items.get(&details.item_id).is_some_and(|item| !item.deleted);
                if exists {
                    report.rebuild.push(format!("sequence {}: {} is created again", entry.sequence, details.sku));
                }
                self.describe(entry, message, details, report);
            }
            Change::InventoryItemUpdated(details) => {
                self.must_live(entry, details.item_id, report);
                self.describe(entry, message, details, report);
            }
            Change::InventoryItemDeleted { item_id } => self.delete(entry, message, *item_id, report),
            Change::StockAdjusted { after, adjustment, previous_quantity, new_quantity } => {
                let change = Delta { quantity: *adjustment, reserved: 0 };
                let before = self.change(entry, message, after, &change, report);
                if (*previous_quantity, *new_quantity) != (before.quantity, before.quantity.saturating_add(*adjustment))
                {
                    report.conservation.push(format!(
                        "sequence {}: {} units changed by {adjustment}, but it says {previous_quantity} became {new_quantity}",
                        entry.sequence, before.quantity
                    ));
                }
            }
            Change::StockReserved { after, reserved_quantity } => {
                self.change(entry, message, after, &Delta { quantity: 0, reserved: *reserved_quantity }, report);
            }
            Change::StockReleased { after, released_quantity } => {
                let change = Delta { quantity: 0, reserved: released_quantity.saturating_neg() };
                self.change(entry, message, after, &change, report);
            }
            Change::CommandRejected { .. } => {}
        }
    }

    fn must_live(&self, entry: &Entry, item: ItemId, report: &mut Report) {
        if self.items.get(&item).is_none_or(|item| item.deleted) {
            report.rebuild.push(format!("sequence {}: a fact about {item}, which does not exist", entry.sequence));
        }
    }

    fn describe(&mut self, entry: &Entry, message: &Message, details: &Details, report: &mut Report) {
        let creation = matches!(message.change, Change::InventoryItemCreated(_));
        let created_at = self.items.get(&details.item_id).filter(|_| !creation).map(|item| item.created_at);
        let item = Item {
            sku: details.sku.clone(),
            name: details.name.clone(),
            description: details.description.clone(),
            version: message.aggregate_version,
            deleted: false,
            created_at: created_at.unwrap_or(entry.occurred_at),
            updated_at: entry.occurred_at,
        };
        let before = self.items.insert(details.item_id, item);
        let version = before.as_ref().map_or(0, |item| item.version);
        next_version(entry, &details.sku, version, message.aggregate_version, report);
        if before.is_some_and(|before| before.sku != details.sku) {
            report.rebuild.push(format!("sequence {}: {} was another SKU", entry.sequence, details.sku));
        }
    }

    fn delete(&mut self, entry: &Entry, message: &Message, item_id: ItemId, report: &mut Report) {
        self.must_live(entry, item_id, report);
        for ((_, store), level) in self.levels.range((item_id, String::new())..).take_while(|(key, _)| key.0 == item_id)
        {
            if (level.quantity, level.reserved) != (0, 0) {
                report.conservation.push(format!(
                    "sequence {}: {item_id} is deleted with {} units at {store}",
                    entry.sequence, level.quantity
                ));
            }
        }
        if let Some(item) = self.items.get_mut(&item_id) {
            next_version(entry, &item.sku, item.version, message.aggregate_version, report);
            (item.deleted, item.version, item.updated_at) = (true, message.aggregate_version, entry.occurred_at);
        }
    }

    /// Changes a level; returns what it was before.
    fn change(
        &mut self,
        entry: &Entry,
        message: &Message,
        after: &LevelAfter,
        change: &Delta,
        report: &mut Report,
    ) -> Level {
        self.must_live(entry, after.item_id, report);
        if self.items.get(&after.item_id).is_some_and(|item| item.sku != after.sku) {
            report.rebuild.push(format!("sequence {}: {} is not the item's SKU", entry.sequence, after.sku));
        }
        let level = self.levels.entry((after.item_id, after.store_id.clone())).or_default();
        let before = *level;
        level.quantity = level.quantity.saturating_add(change.quantity);
        level.reserved = level.reserved.saturating_add(change.reserved);
        level.updated_at = entry.occurred_at;
        level.version = message.aggregate_version;
        let name = format!("{} at {}", after.sku, after.store_id);
        next_version(entry, &name, before.version, message.aggregate_version, report);
        let Level { quantity, reserved, .. } = *level;
        if !(0 <= reserved && reserved <= quantity && quantity <= MAX_UNITS) {
            report.oversold.push(format!("sequence {}: {name}: {reserved} of {quantity} reserved", entry.sequence));
        }
        let told = (after.total_quantity, after.reserved_total, after.available_quantity);
        if told != (quantity, reserved, quantity.saturating_sub(reserved)) {
            report.conservation.push(format!(
                "sequence {}: {name}: {reserved} of {quantity} reserved, but it tells (total, reserved, available) {told:?}",
                entry.sequence
            ));
        }
        before
    }
}

fn next_version(entry: &Entry, of: &str, before: i64, version: i64, report: &mut Report) {
    if version != before + 1 {
        report.versions.push(format!("sequence {}: {of}: version {version} follows {before}", entry.sequence));
    }
}
