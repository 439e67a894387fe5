//! What is in the simulated cache, and what the scripts do to it: each at once or not at all, and only if the model is as it
//! is expected to be.

use std::collections::BTreeMap;

use listener_service::projector::call::{Documents, Reservation};
use listener_service::projector::link::{Marks, Said};
use shared::id::CommandId;
use shared::read_model::{
    BY_FACET, ENDED, FACETS, FILLING, ITEMS, LOW_STOCK, MOST_RESERVED, Order, RESERVATIONS, ROWS, ReservationIndex,
    SENTINEL, SHARED_BEGINNINGS, STATE, STORES, SUMMARY, SUPERSEDED, TERMS,
};
use testkit::read_model;

use crate::plant::Plant;

/// A call that changes something, as it travels.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Apply(Box<Apply>),
    Check { expected: String },
    Begin { expected: Marks, filling: String, generation: String },
    Fill { expected: String, next: String, documents: Documents },
    Forget { expected: String, next: String },
    Finish { expected: String, state: String, superseded: String, summary: String },
}

#[derive(Debug, Clone)]
pub(crate) struct Apply {
    pub(crate) expected: String,
    pub(crate) next: String,
    pub(crate) superseded: String,
    pub(crate) summary: String,
    pub(crate) documents: Documents,
    pub(crate) deleted: Vec<(String, String)>,
    pub(crate) dropped: Vec<Reservation>,
    pub(crate) outcomes: Vec<(CommandId, String)>,
}

/// What is in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    pub(crate) hashes: BTreeMap<&'static str, BTreeMap<String, String>>,
    pub(crate) sets: BTreeMap<&'static str, BTreeMap<String, i64>>,
    pub(crate) outcomes: BTreeMap<CommandId, String>,
}

fn marked_sets() -> Vec<&'static str> {
    let lists = ReservationIndex::ALL.iter().map(|index| index.key());
    [TERMS, SHARED_BEGINNINGS, BY_FACET, LOW_STOCK, MOST_RESERVED].into_iter().chain(lists).chain([ENDED]).collect()
}

const ALL_RESERVATIONS: &str = ReservationIndex::All.key();

impl Store {
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.hashes.get(ITEMS)?.get(name).cloned()
    }

    fn hash(&mut self, key: &'static str) -> &mut BTreeMap<String, String> {
        self.hashes.entry(key).or_default()
    }

    fn set(&mut self, key: &'static str) -> &mut BTreeMap<String, i64> {
        self.sets.entry(key).or_default()
    }

    fn fields_of(&self, key: &str) -> usize {
        self.hashes.get(key).map_or(0, BTreeMap::len)
    }

    fn members_of(&self, key: &str) -> usize {
        self.sets.get(key).map_or(0, BTreeMap::len)
    }

    /// As `incomplete` of `model.lua`.
    fn incomplete(&self, beside: usize) -> Option<&'static str> {
        let items = self.fields_of(ITEMS).checked_sub(beside);
        if let Some(key) = [ROWS, FACETS].into_iter().find(|key| Some(self.fields_of(key)) != items) {
            return Some(key);
        }
        if let Some(order) = Order::ALL.into_iter().find(|order| Some(self.members_of(order.key())) != items) {
            return Some(order.key());
        }
        let unmarked = |key: &&str| !self.sets.get(*key).is_some_and(|set| set.contains_key(SENTINEL));
        if let Some(key) = marked_sets().into_iter().find(unmarked) {
            return Some(key);
        }
        let unmarked = |key: &&str| !self.hashes.get(*key).is_some_and(|hash| hash.contains_key(SENTINEL));
        if let Some(key) = [RESERVATIONS, STORES].into_iter().find(unmarked) {
            return Some(key);
        }
        (self.fields_of(RESERVATIONS) != self.members_of(ALL_RESERVATIONS)).then_some(RESERVATIONS)
    }

    fn upsert(&mut self, documents: &Documents, plant: Option<Plant>) {
        for item in &documents.items {
            let older = self.hash(ITEMS).get(&item.id).filter(|_| plant == Some(Plant::OlderDocument)).cloned();
            self.hash(ITEMS).insert(item.id.clone(), older.unwrap_or(item.document.clone()));
            self.hash(ROWS).insert(item.sku.clone(), item.row.clone());
            self.hash(FACETS).insert(item.sku.clone(), item.facets.clone());
            for order in Order::ALL {
                self.set(order.key()).insert(item.sku.clone(), 0);
            }
        }
        for reservation in &documents.reservations {
            self.hash(RESERVATIONS).insert(reservation.id.clone(), reservation.document.clone());
            self.set(ALL_RESERVATIONS).insert(reservation.id.clone(), 0);
            if let Some(at) = reservation.ended_at {
                self.set(ENDED).insert(reservation.id.clone(), at);
            }
        }
        for (id, document) in &documents.stores {
            self.hash(STORES).insert(id.clone(), document.clone());
        }
    }

    fn remove(&mut self, deleted: &[(String, String)], dropped: &[Reservation]) {
        for (id, sku) in deleted {
            self.hash(ITEMS).remove(id);
            self.hash(ROWS).remove(sku);
            self.hash(FACETS).remove(sku);
            for order in Order::ALL {
                self.set(order.key()).remove(sku);
            }
        }
        for reservation in dropped {
            self.hash(RESERVATIONS).remove(&reservation.id);
            self.set(ALL_RESERVATIONS).remove(&reservation.id);
            self.set(ENDED).remove(&reservation.id);
        }
    }

    fn apply(&mut self, batch: &Apply, plant: Option<Plant>) -> Said {
        if let Err(said) = self.expect(STATE, &batch.expected, plant) {
            return said;
        }
        if let Some(key) = self.incomplete(3) {
            return Said::Incomplete(key.to_owned());
        }
        let fields = [(STATE, &batch.next), (SUPERSEDED, &batch.superseded), (SUMMARY, &batch.summary)];
        for (field, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            self.hash(ITEMS).insert(field.to_owned(), text.clone());
        }
        self.upsert(&batch.documents, plant);
        self.remove(&batch.deleted, &batch.dropped);
        self.outcomes.extend(batch.outcomes.iter().cloned());
        Said::Done(String::new())
    }

    fn expect(&self, field: &str, expected: &str, plant: Option<Plant>) -> Result<(), Said> {
        let found = self.field(field);
        let is_there = found.as_deref() == Some(expected) || (plant == Some(Plant::UnguardedCache) && found.is_some());
        if is_there { Ok(()) } else { Err(Said::Changed(found.unwrap_or_default())) }
    }

    fn begin(&mut self, expected: &Marks, filling: &str, generation: &str) -> Said {
        let found = Marks { state: self.field(STATE), filling: self.field(FILLING) };
        if found != *expected {
            return Said::Changed(found.state.or(found.filling).unwrap_or_default());
        }
        self.hashes.clear();
        self.sets.clear();
        self.hash(ITEMS).insert(FILLING.to_owned(), filling.to_owned());
        for key in marked_sets() {
            self.set(key).insert(SENTINEL.to_owned(), 0);
        }
        for key in [RESERVATIONS, STORES] {
            self.hash(key).insert(SENTINEL.to_owned(), generation.to_owned());
        }
        Said::Done(String::new())
    }

    fn forget(&mut self) -> Said {
        let some: Vec<CommandId> = self.outcomes.keys().take(5).copied().collect();
        self.outcomes.retain(|command, _| !some.contains(command));
        Said::Done(if self.outcomes.is_empty() { "0" } else { "1" }.to_owned())
    }

    pub(crate) fn run(&mut self, call: &Call, plant: Option<Plant>) -> Said {
        let expecting = |store: &Self, field: &str, expected: &str| store.expect(field, expected, plant).err();
        match call {
            Call::Apply(batch) => self.apply(batch, plant),
            Call::Check { expected } => expecting(self, STATE, expected).unwrap_or_else(|| match self.incomplete(3) {
                Some(key) => Said::Incomplete(key.to_owned()),
                None => Said::Done((self.members_of(ENDED) - 1).to_string()),
            }),
            Call::Begin { expected, filling, generation } => self.begin(expected, filling, generation),
            Call::Fill { expected, next, documents } => expecting(self, FILLING, expected).unwrap_or_else(|| {
                self.hash(ITEMS).insert(FILLING.to_owned(), next.clone());
                self.upsert(documents, plant);
                Said::Done(String::new())
            }),
            Call::Forget { expected, next } => expecting(self, FILLING, expected).unwrap_or_else(|| {
                self.hash(ITEMS).insert(FILLING.to_owned(), next.clone());
                self.forget()
            }),
            Call::Finish { expected, state, superseded, summary } => {
                expecting(self, FILLING, expected).unwrap_or_else(|| {
                    if let Some(key) = self.incomplete(1) {
                        return Said::Incomplete(key.to_owned());
                    }
                    for (field, text) in [(STATE, state), (SUPERSEDED, superseded), (SUMMARY, summary)] {
                        self.hash(ITEMS).insert(field.to_owned(), text.clone());
                    }
                    self.hash(ITEMS).remove(FILLING);
                    Said::Done(String::new())
                })
            }
        }
    }

    /// Evicted, or deleted by somebody; `nth` says which. `false` if there is nothing.
    pub(crate) fn lose_key(&mut self, nth: usize) -> bool {
        let keys: Vec<&'static str> = self.hashes.keys().chain(self.sets.keys()).copied().collect();
        let Some(key) = keys.get(nth % keys.len().max(1)) else { return false };
        self.hashes.remove(key);
        self.sets.remove(key);
        true
    }

    pub(crate) fn documents(&self) -> read_model::Documents {
        let hash = |key: &str| self.hashes.get(key).cloned().unwrap_or_default();
        read_model::Documents {
            items: hash(ITEMS),
            rows: hash(ROWS),
            facets: hash(FACETS),
            reservations: hash(RESERVATIONS),
            stores: hash(STORES),
            outcomes: self.outcomes.clone(),
        }
    }
}
