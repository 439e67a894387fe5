//! The state rebuilt from the journal alone, with every step of the way checked.

mod edges;
mod holds;
mod levels;
mod pairs;
mod reservations;
mod uncaused;

use std::collections::{BTreeMap, BTreeSet};

use shared::id::{ItemId, ReservationId};

use super::Report;
use super::database::{Database, Entry, Item, Key, Level, Reservation, State, Store};
use super::fact::{Change, Details, StoreDetails};
use super::step::{Cause, Fact, Step, steps};

/// What the journal says the tables hold.
pub(super) fn replay(database: &Database, report: &mut Report) -> State {
    let mut replay = Replay::new(report);
    for step in steps(database) {
        let asked = match step.cause {
            Cause::Command(command) => database.outcomes.get(&command).map(|outcome| outcome.request_type.as_str()),
            Cause::Expiry(_) | Cause::Opening(_) | Cause::Nothing => None,
        };
        replay.step(&step, asked);
    }
    replay.all_is_held("at the end");
    replay.state
}

/// How a journal begins that is older than reservations, and how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Era {
    /// What is reserved is nobody's.
    Before,
    /// It becomes one hold a level.
    Opening,
    /// It is the sum of pending reservations, always.
    Since,
}

struct Replay<'r> {
    state: State,
    report: &'r mut Report,
    era: Era,
    /// The movements of each level, in the order of its versions.
    chains: BTreeMap<Key, Vec<i64>>,
    /// What pending reservations hold of each level.
    held: BTreeMap<Key, i64>,
    /// The pending simple reservations of each level, the oldest first.
    simple: BTreeMap<Key, BTreeMap<i64, ReservationId>>,
    before: Before,
}

/// What the current step has touched, as it was before the step.
#[derive(Default)]
struct Before {
    levels: BTreeMap<Key, Option<Level>>,
    reservations: BTreeMap<ReservationId, Option<Reservation>>,
}

impl<'r> Replay<'r> {
    fn new(report: &'r mut Report) -> Self {
        let mut state = State::default();
        let (name, created_at, updated_at) = ("Main".to_owned(), None, None);
        let main = Store { name, location: None, active: true, version: 1, created_at, updated_at };
        state.stores.insert("main".to_owned(), main);
        Self {
            state,
            report,
            era: Era::Before,
            chains: BTreeMap::new(),
            held: BTreeMap::new(),
            simple: BTreeMap::new(),
            before: Before::default(),
        }
    }

    /// All that one cause did; and what must be so between any two causes.
    fn step(&mut self, step: &Step<'_>, asked: Option<&str>) {
        self.before = Before::default();
        self.enter_era(step);
        for &fact in &step.facts {
            self.apply(step, fact);
        }
        self.pairs(step);
        self.uncaused(step);
        self.holds(step, asked);
        self.edges(step);
        self.settle(step);
    }

    fn enter_era(&mut self, step: &Step<'_>) {
        let era = match step.cause {
            Cause::Opening(_) => Era::Opening,
            Cause::Command(_) if step.is_old() => Era::Before,
            Cause::Command(_) | Cause::Expiry(_) | Cause::Nothing => Era::Since,
        };
        let sequence = step.sequence();
        if era < self.era {
            self.report.invented.push(format!(
                "sequence {sequence}: is of an era that was over: {era:?} reservations, after {:?}",
                self.era
            ));
        } else if era == Era::Since && self.era < Era::Since {
            self.all_is_held(&format!("before sequence {sequence}"));
        }
        self.era = self.era.max(era);
    }

    fn apply(&mut self, step: &Step<'_>, fact: Fact<'_>) {
        let Fact { entry, message } = fact;
        let change = &message.change;
        if let (Some(delta), Some(after)) = (change.moves(), change.level()) {
            self.change_level(step, fact, after, delta);
        } else if let Some(after) = change.level() {
            self.repeat_level(fact, after);
        } else if let Some(after) = change.reservation() {
            self.change_reservation(step, fact, after);
        } else if let Change::StoreCreated(details) | Change::StoreUpdated(details) = change {
            self.change_store(fact, details);
        } else if let Change::InventoryItemCreated(details) = change {
            if self.state.items.get(&details.item_id).is_some_and(|item| !item.deleted) {
                self.report.rebuild.push(format!("sequence {}: {} is created again", entry.sequence, details.sku));
            }
            self.state.lives.insert((details.item_id, entry.sequence), None);
            self.describe(fact, details);
        } else if let Change::InventoryItemUpdated(details) = change {
            self.must_live(entry, details.item_id, &details.sku);
            self.describe(fact, details);
        } else if let Change::InventoryItemDeleted { item_id, sku } = change {
            self.must_live(entry, *item_id, sku);
            self.delete(fact, *item_id);
        }
    }

    /// The item is in the catalogue, and under this SKU.
    fn must_live(&mut self, entry: &Entry, id: ItemId, sku: &str) {
        let item = self.state.items.get(&id);
        if item.is_none_or(|item| item.deleted) {
            let fault = format!("sequence {}: a fact about {id}, which does not exist", entry.sequence);
            self.report.rebuild.push(fault);
        } else if item.is_some_and(|item| item.sku != sku) {
            self.report.rebuild.push(format!("sequence {}: {sku} is not the item's SKU", entry.sequence));
        }
    }

    fn describe(&mut self, fact: Fact<'_>, details: &Details) {
        let Fact { entry, message } = fact;
        let creation = matches!(message.change, Change::InventoryItemCreated(_));
        let created_at = self.state.items.get(&details.item_id).filter(|_| !creation).map(|item| item.created_at);
        let item = Item {
            sku: details.sku.clone(),
            name: details.name.clone(),
            description: details.description.clone(),
            category: details.category.clone(),
            price: details.price.clone(),
            low_stock_threshold: details.low_stock_threshold,
            version: message.aggregate_version,
            deleted: false,
            created_at: created_at.unwrap_or(entry.occurred_at),
            updated_at: entry.occurred_at,
        };
        let before = self.state.items.insert(details.item_id, item);
        let version = before.as_ref().map_or(0, |item| item.version);
        self.next_version(fact, &details.sku, version);
        if before.is_some_and(|before| before.sku != details.sku) {
            self.report.rebuild.push(format!("sequence {}: {} was another SKU", entry.sequence, details.sku));
        }
        let levels = self.state.levels.range_mut((details.item_id, String::new())..);
        for (key, level) in levels.take_while(|(key, _)| key.0 == details.item_id) {
            self.before.levels.entry(key.clone()).or_insert(Some(*level));
            level.threshold = level.own_threshold.or(details.low_stock_threshold);
        }
    }

    fn delete(&mut self, fact: Fact<'_>, item_id: ItemId) {
        let sequence = fact.entry.sequence;
        for ((_, store), level) in
            self.state.levels.range((item_id, String::new())..).take_while(|(key, _)| key.0 == item_id)
        {
            if (level.quantity, level.reserved) != (0, 0) {
                let units = level.quantity;
                let fault = format!("sequence {sequence}: {item_id} is deleted with {units} units at {store}");
                self.report.conservation.push(fault);
            }
        }
        if let Some((_, deleted)) = self.state.lives.range_mut((item_id, 0)..=(item_id, sequence)).next_back() {
            *deleted = Some(sequence);
        }
        if let Some(item) = self.state.items.get_mut(&item_id) {
            let (sku, version) = (item.sku.clone(), item.version);
            (item.deleted, item.version, item.updated_at) =
                (true, fact.message.aggregate_version, fact.entry.occurred_at);
            self.next_version(fact, &sku, version);
        }
    }

    fn change_store(&mut self, fact: Fact<'_>, details: &StoreDetails) {
        let (id, sequence, now) = (&details.store_id, fact.entry.sequence, fact.entry.occurred_at);
        let creation = matches!(fact.message.change, Change::StoreCreated(_));
        let before = self.state.stores.get(id);
        let (exists, version) = (before.is_some(), before.map_or(0, |store| store.version));
        if creation == exists {
            let fault = if exists { "is created again" } else { "does not exist" };
            self.report.rebuild.push(format!("sequence {sequence}: store {id} {fault}"));
        }
        if id == "main" && !details.active {
            self.report.rebuild.push(format!("sequence {sequence}: store main is closed"));
        }
        let store = Store {
            name: details.name.clone(),
            location: details.location.clone(),
            active: details.active,
            version: fact.message.aggregate_version,
            created_at: if creation { Some(now) } else { before.and_then(|store| store.created_at) },
            updated_at: Some(now),
        };
        self.state.stores.insert(id.clone(), store);
        self.next_version(fact, &format!("store {id}"), version);
    }

    fn next_version(&mut self, fact: Fact<'_>, of: &str, before: i64) {
        let (sequence, version) = (fact.entry.sequence, fact.message.aggregate_version);
        if version != before + 1 {
            self.report.versions.push(format!("sequence {sequence}: {of}: version {version} follows {before}"));
        }
    }

    fn same_version(&mut self, fact: Fact<'_>, of: &str, current: i64) {
        let (sequence, version) = (fact.entry.sequence, fact.message.aggregate_version);
        if version != current {
            let fault = format!("sequence {sequence}: {of}: tells version {version}, it is at {current}");
            self.report.versions.push(fault);
        }
    }

    /// What is reserved of each level that was touched is what pending reservations hold of it.
    fn settle(&mut self, step: &Step<'_>) {
        let mut touched: BTreeSet<Key> = self.before.levels.keys().cloned().collect();
        for (id, before) in &self.before.reservations {
            let after = self.state.reservations.get(id);
            for (reservation, sign) in [(before.as_ref(), -1), (after, 1)] {
                let Some(reservation) = reservation.filter(|reservation| reservation.is_pending()) else { continue };
                for line in &reservation.lines {
                    let key = (line.item_id, line.store_id.clone());
                    *self.held.entry(key.clone()).or_default() += sign * line.left();
                    let simple = self.simple.entry(key.clone()).or_default();
                    if sign < 0 {
                        simple.remove(&reservation.number);
                    } else if reservation.simple && line.left() > 0 {
                        simple.insert(reservation.number, *id);
                    }
                    touched.insert(key);
                }
            }
        }
        if self.era == Era::Since {
            let when = format!("after sequence {}", step.facts.last().map_or(0, |fact| fact.entry.sequence));
            for key in touched {
                self.is_held(&key, &when);
            }
        }
    }

    fn all_is_held(&mut self, when: &str) {
        let keys: BTreeSet<Key> = self.state.levels.keys().chain(self.held.keys()).cloned().collect();
        for key in keys {
            self.is_held(&key, when);
        }
    }

    fn is_held(&mut self, key: &Key, when: &str) {
        let reserved = self.state.levels.get(key).map_or(0, |level| level.reserved);
        let held = self.held.get(key).copied().unwrap_or(0);
        if reserved != held {
            let (item, store) = key;
            let fault = format!("{when}: {item} at {store}: {reserved} reserved, pending reservations hold {held}");
            self.report.conservation.push(fault);
        }
    }
}
