//! The tables against what the journal says they hold.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Report;
use super::database::{Database, Key, Level, State, Store};

pub(super) fn compare(database: &Database, rebuilt: &State, report: &mut Report) {
    let stored = &database.state;
    same_rows("item", &stored.items, &rebuilt.items, report);
    same_rows("life", &stored.lives, &rebuilt.lives, report);
    same_rows("level", &comparable_levels(stored, rebuilt), &comparable_levels(rebuilt, rebuilt), report);
    same_rows("movement", &stored.movements, &rebuilt.movements, report);
    same_rows("store", &comparable_stores(stored, rebuilt), &rebuilt.stores, report);
    same_rows("reservation", &stored.reservations, &rebuilt.reservations, report);
    final_versions(stored, rebuilt, report);
    terms(database, rebuilt, report);
    value(database, rebuilt, report);
    progress(database, rebuilt, report);
}

fn same_rows<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    stored: &BTreeMap<K, V>,
    rebuilt: &BTreeMap<K, V>,
    report: &mut Report,
) {
    for (key, row) in stored {
        match rebuilt.get(key) {
            None => report.rebuild.push(format!("{what} {key:?} is stored and not in the journal: {row:?}")),
            Some(expected) if expected != row => {
                report.rebuild.push(format!("{what} {key:?} is stored as {row:?}, the journal says {expected:?}"));
            }
            Some(_) => {}
        }
    }
    for key in rebuilt.keys().filter(|key| !stored.contains_key(key)) {
        report.rebuild.push(format!("{what} {key:?} is in the journal and not stored"));
    }
}

/// Whether the level of a deleted item keeps a threshold is not said; nobody is told of it.
fn comparable_levels(of: &State, rebuilt: &State) -> BTreeMap<Key, Level> {
    let mut levels = of.levels.clone();
    for ((item, _), level) in &mut levels {
        if rebuilt.items.get(item).is_none_or(|item| item.deleted) {
            level.threshold = None;
        }
    }
    levels
}

/// When the first store was made, no fact says.
fn comparable_stores(stored: &State, rebuilt: &State) -> BTreeMap<String, Store> {
    let mut comparable = stored.stores.clone();
    for (id, store) in &mut comparable {
        let known = rebuilt.stores.get(id);
        store.created_at = store.created_at.filter(|_| known.is_none_or(|known| known.created_at.is_some()));
        store.updated_at = store.updated_at.filter(|_| known.is_none_or(|known| known.updated_at.is_some()));
    }
    comparable
}

fn final_versions(stored: &State, rebuilt: &State, report: &mut Report) {
    let mut compare = |what: String, version: i64, last: Option<i64>| {
        if last != Some(version) {
            report.versions.push(format!("{what}: version {version} is stored, the last fact has {last:?}"));
        }
    };
    for (id, item) in &stored.items {
        compare(format!("item {id}"), item.version, rebuilt.items.get(id).map(|item| item.version));
    }
    for (key, level) in &stored.levels {
        compare(format!("{} at {}", key.0, key.1), level.version, rebuilt.levels.get(key).map(|level| level.version));
    }
    for (id, store) in &stored.stores {
        compare(format!("store {id}"), store.version, rebuilt.stores.get(id).map(|store| store.version));
    }
    for (id, reservation) in &stored.reservations {
        let last = rebuilt.reservations.get(id).map(|reservation| reservation.version);
        compare(format!("reservation {id}"), reservation.version, last);
    }
}

/// Live items are found by their terms, deleted ones by none.
fn terms(database: &Database, rebuilt: &State, report: &mut Report) {
    let live = rebuilt.items.iter().filter(|(_, item)| !item.deleted);
    let expected: BTreeMap<_, _> = live.map(|(id, item)| (*id, shared::search::terms(&item.sku, &item.name))).collect();
    let mut stored = database.terms.clone();
    for terms in stored.values_mut() {
        terms.sort_unstable();
    }
    same_rows("search terms of", &stored, &expected, report);
}

/// What the units on hand of live items cost, by currency; nothing may be written as 0, or not at all.
fn value(database: &Database, rebuilt: &State, report: &mut Report) {
    let mut expected: BTreeMap<String, i128> = BTreeMap::new();
    for ((item, _), level) in &rebuilt.levels {
        let live = rebuilt.items.get(item).filter(|item| !item.deleted);
        if let Some(price) = live.and_then(|item| item.price.as_ref()) {
            let amount = i128::from(price.amount_minor) * i128::from(level.quantity);
            *expected.entry(price.currency.clone()).or_default() += amount;
        }
    }
    expected.retain(|_, amount| *amount != 0);
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(currency, amount)| (currency, amount.to_string())).collect();
    let mut stored = database.stock_value.clone();
    stored.retain(|_, amount| amount != "0");
    same_rows("stock value in", &stored, &expected, report);
}

fn progress(database: &Database, rebuilt: &State, report: &mut Report) {
    let progress = &database.progress;
    let live = rebuilt.items.values().filter(|item| !item.deleted).count();
    let counters = [
        ("items", progress.items, live),
        ("applied", progress.applied, report.counts.applied),
        ("rejected", progress.rejected, report.counts.rejected),
        ("dead_lettered", progress.dead_lettered, report.counts.dead_letters),
    ];
    for (name, counter, counted) in counters {
        if counter != counted {
            report.rebuild.push(format!("progress.{name} is {counter}, counted are {counted}"));
        }
    }
    let levels = || rebuilt.levels.values();
    let units: i64 = levels().map(|level| level.quantity).sum();
    let reserved: i64 = levels().map(|level| level.reserved).sum();
    for (name, counter, counted) in [("units", progress.units, units), ("reserved", progress.reserved, reserved)] {
        if counter != counted {
            report.rebuild.push(format!("progress.{name} is {counter}, counted are {counted}"));
        }
    }
    let last = database.journal.last().map_or(0, |entry| entry.sequence);
    for (name, mark) in [("published", progress.published), ("purged", progress.purged)] {
        if mark > last {
            report.position_faults.push(format!("progress.{name} is {mark}, the journal ends at {last}"));
        }
    }
}
