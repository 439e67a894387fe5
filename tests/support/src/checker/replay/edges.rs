//! That something became scarce, or is no longer, is told when it happens, once, and not otherwise.

use std::collections::BTreeMap;

use super::Replay;
use crate::checker::database::{Key, Level};
use crate::checker::fact::Change;
use crate::checker::step::Step;

impl Replay<'_> {
    /// Works out from each level before and after a command what must be told of it, and compares.
    pub(super) fn edges(&mut self, step: &Step<'_>) {
        if step.is_old() {
            return;
        }
        let mut expected: BTreeMap<(&str, Key), Option<i64>> = BTreeMap::new();
        // That there is a new item, or that one is gone, says enough.
        if !step.has("InventoryItemCreated") && !step.has("InventoryItemDeleted") {
            for (key, before) in &self.before.levels {
                let (Some(before), Some(after)) = (before, self.state.levels.get(key)) else { continue };
                expected.extend(crossed(before, after).map(|(edge, threshold)| ((edge, key.clone()), threshold)));
            }
        }
        for fact in step.facts.iter().filter(|fact| fact.message.change.is_edge()) {
            let (change, sequence) = (&fact.message.change, fact.entry.sequence);
            let Some(level) = change.level() else { continue };
            let key = (level.item_id, level.store_id.clone());
            let threshold = if let Change::LowStock { threshold, .. } = change { Some(*threshold) } else { None };
            let (edge, sku, store) = (change.event_type(), &level.sku, &level.store_id);
            match expected.remove(&(edge, key)) {
                Some(expected) if expected != threshold => self.report.edges.push(format!(
                    "sequence {sequence}: {edge} of {sku} at {store} tells {threshold:?}, the threshold is {expected:?}"
                )),
                Some(_) => {}
                None => self.report.edges.push(format!(
                    "sequence {sequence}: {edge} of {sku} at {store} is told, and nothing crossed it just now"
                )),
            }
        }
        for (edge, (item, store)) in expected.into_keys() {
            let sequence = step.facts.last().map_or(0, |fact| fact.entry.sequence);
            self.report.edges.push(format!("sequence {sequence}: {edge} of {item} at {store} is not told"));
        }
    }
}

fn crossed(before: &Level, after: &Level) -> impl Iterator<Item = (&'static str, Option<i64>)> {
    let (was, is) = (before.available(), after.available());
    [
        (was > 0 && is <= 0).then_some(("StockDepleted", None)),
        (was <= 0 && is > 0).then_some(("StockReplenished", None)),
        (!before.is_low() && after.is_low()).then_some(("LowStock", after.threshold)),
    ]
    .into_iter()
    .flatten()
}
