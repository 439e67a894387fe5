//! What is handed to the scripts.

#[cfg(feature = "failpoints")]
mod planted;

use fail::fail_point;
use redis::ScriptInvocation;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::read_model::{
    ItemDocument, OUTCOME_SECONDS, StoreAsOf, StoredItem, StoredOutcome, StoredReservation, facets, numbered, row,
};
use shared::search;

/// An item as `upsert` of `model.lua` takes it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// [`ItemDocument`].
    pub document: String,
    /// Its SKU.
    pub sku: String,
    /// [`row`].
    pub row: String,
    /// Units for sale.
    pub available: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
    /// [`facets`].
    pub facets: String,
    /// Units.
    pub reserved: i64,
}

impl Item {
    pub(super) fn of(item: &StoredItem) -> Self {
        Self {
            id: item.id.to_string(),
            document: ItemDocument::write(item),
            sku: item.sku.clone(),
            row: row(item.id, &item.name, &search::terms(&item.sku, &item.name)),
            available: item.quantity() - item.reserved(),
            updated_at: item.touched_at().millis(),
            facets: facets(item),
            reserved: item.reserved(),
        }
    }

    fn write(&self, call: &mut ScriptInvocation<'_>) {
        call.arg(&self.id).arg(&self.document).arg(&self.sku).arg(&self.row);
        call.arg(self.available).arg(self.updated_at).arg(&self.facets).arg(self.reserved);
    }
}

/// A reservation as `reservation_at` of `model.lua` takes it.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Its id.
    pub id: String,
    /// [`StoredReservation`]; empty to drop it.
    pub document: String,
    /// [`numbered`].
    pub numbered: String,
    /// Milliseconds since 1970.
    pub ended_at: Option<i64>,
    /// Empty for none.
    pub order: String,
    /// Empty for none.
    pub customer: String,
    /// Of each line.
    pub items: Vec<String>,
}

impl Reservation {
    /// To be written.
    pub(super) fn of(reservation: &StoredReservation) -> Self {
        Self { document: json(reservation), ..Self::to_drop(reservation) }
    }

    /// To be dropped.
    pub(super) fn to_drop(reservation: &StoredReservation) -> Self {
        Self {
            id: reservation.id.to_string(),
            document: String::new(),
            numbered: numbered(reservation.number, reservation.id),
            ended_at: reservation.ended_at.map(Timestamp::millis),
            order: reservation.order_id.clone().unwrap_or_default(),
            customer: reservation.customer_id.clone().unwrap_or_default(),
            items: reservation.lines.iter().map(|line| line.item_id.to_string()).collect(),
        }
    }

    pub(super) fn write(&self, call: &mut ScriptInvocation<'_>) {
        let ended_at = self.ended_at.map(|at| at.to_string()).unwrap_or_default();
        call.arg(&self.id).arg(&self.document).arg(&self.numbered).arg(ended_at);
        call.arg(&self.order).arg(&self.customer).arg(self.items.len()).arg(&self.items);
    }
}

/// What `upsert_all` of `model.lua` takes.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Items.
    pub items: Vec<Item>,
    /// Reservations.
    pub reservations: Vec<Reservation>,
    /// Ids and documents.
    pub stores: Vec<(String, String)>,
}

impl Documents {
    pub(super) fn of(items: &[StoredItem], reservations: &[StoredReservation], stores: &[StoreAsOf]) -> Self {
        fail_point!("plant-older-document", !items.is_empty(), |_| planted::documents(items, reservations, stores));
        Self {
            items: items.iter().map(Item::of).collect(),
            reservations: reservations.iter().map(Reservation::of).collect(),
            stores: stores.iter().map(|store| (store.store.store_id.clone(), json(store))).collect(),
        }
    }

    pub(super) fn write(&self, call: &mut ScriptInvocation<'_>) {
        call.arg(self.items.len()).arg(self.reservations.len()).arg(self.stores.len());
        self.items.iter().for_each(|item| item.write(call));
        self.reservations.iter().for_each(|reservation| reservation.write(call));
        for (id, document) in &self.stores {
            call.arg(id).arg(document);
        }
    }
}

/// What `apply.lua` does at once.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The state as it was left.
    pub expected: &'a str,
    /// The state after it.
    pub next: &'a str,
    /// Empty to leave them.
    pub superseded: &'a str,
    /// Empty to leave it.
    pub summary: &'a str,
    /// What to tell.
    pub announcement: &'a str,
    /// What to write.
    pub documents: Documents,
    /// Items to remove.
    pub deleted: &'a [(ItemId, String)],
    /// Reservations to remove.
    pub dropped: Vec<Reservation>,
    /// With the seconds that each is to stay.
    pub outcomes: Vec<(CommandId, String, i64)>,
}

/// Those that are not too old to be kept. `now` is when the journal's last entry was made: the writer's clock may be far
/// from the wall clock.
pub(super) fn lasting(outcomes: &[(CommandId, StoredOutcome)], now: Timestamp) -> Vec<(CommandId, String, i64)> {
    let seconds = i64::try_from(OUTCOME_SECONDS).expect("an hour");
    let lasting = outcomes.iter().filter_map(|(command, outcome)| {
        let age = (now.millis() - outcome.applied_at.millis()).max(0) / 1000;
        (age < seconds).then(|| (*command, json(outcome), seconds - age))
    });
    lasting.collect()
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}
