//! The tables against what the journal says they hold.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Report;
use super::database::Database;
use super::replay::Rebuilt;

pub(super) fn compare(database: &Database, rebuilt: &Rebuilt, report: &mut Report) {
    same_rows("item", &database.items, &rebuilt.items, report);
    same_rows("level", &database.levels, &rebuilt.levels, report);
    final_versions(database, rebuilt, report);
    terms(database, rebuilt, report);
    progress(database, report);
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

fn final_versions(database: &Database, rebuilt: &Rebuilt, report: &mut Report) {
    for (id, item) in &database.items {
        let last = rebuilt.items.get(id).map(|item| item.version);
        if last != Some(item.version) {
            report.versions.push(format!("item {id}: version {} is stored, the last fact has {last:?}", item.version));
        }
    }
    for (key, level) in &database.levels {
        let last = rebuilt.levels.get(key).map(|level| level.version);
        if last != Some(level.version) {
            let (item, store) = key;
            let version = level.version;
            report.versions.push(format!("{item} at {store}: version {version} is stored, the last fact has {last:?}"));
        }
    }
}

/// Live items are found by their terms, deleted ones by none.
fn terms(database: &Database, rebuilt: &Rebuilt, report: &mut Report) {
    let live = rebuilt.items.iter().filter(|(_, item)| !item.deleted);
    let expected: BTreeMap<_, _> = live.map(|(id, item)| (*id, shared::search::terms(&item.sku, &item.name))).collect();
    let mut stored = database.terms.clone();
    for terms in stored.values_mut() {
        terms.sort_unstable();
    }
    same_rows("search terms of", &stored, &expected, report);
}

fn progress(database: &Database, report: &mut Report) {
    let live = database.items.values().filter(|item| !item.deleted).count();
    let counters = [
        ("items", database.progress.items, live),
        ("applied", database.progress.applied, report.counts.applied),
        ("rejected", database.progress.rejected, report.counts.rejected),
        ("dead_lettered", database.progress.dead_lettered, report.counts.dead_letters),
    ];
    for (name, counter, counted) in counters {
        if counter != counted {
            report.rebuild.push(format!("progress.{name} is {counter}, counted are {counted}"));
        }
    }
    let last = database.journal.last().map_or(0, |entry| entry.sequence);
    for (name, mark) in [("published", database.progress.published), ("purged", database.progress.purged)] {
        if mark > last {
            report.position_faults.push(format!("progress.{name} is {mark}, the journal ends at {last}"));
        }
    }
}
