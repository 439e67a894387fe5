//! Levels, and the ledger of their movements.

use super::{Era, Replay};
use crate::checker::database::{Key, Level, Movement};
use crate::checker::fact::{Change, Delta, LevelAfter};
use crate::checker::step::{Fact, Step};
use shared::quantity::MAX_UNITS;

/// Who acted, before messages said so: nobody could be known.
const ANONYMOUS: &str = "anonymous";

impl Replay<'_> {
    pub(super) fn change_level(&mut self, step: &Step<'_>, fact: Fact<'_>, after: &LevelAfter, delta: Delta) {
        let Fact { entry, message } = fact;
        self.must_live(entry, after.item_id, &after.sku);
        if self.era == Era::Since && !self.state.stores.contains_key(&after.store_id) {
            let fault =
                format!("sequence {}: a fact about store {}, which does not exist", entry.sequence, after.store_id);
            self.report.rebuild.push(fault);
        }
        let key: Key = (after.item_id, after.store_id.clone());
        let known = self.state.levels.get(&key).copied();
        self.before.levels.entry(key.clone()).or_insert(known);
        let before = known.unwrap_or_default();
        let own_threshold = if let Change::StockSettingsChanged { low_stock_threshold, .. } = &message.change {
            *low_stock_threshold
        } else {
            before.own_threshold
        };
        let of_item = self.state.items.get(&after.item_id).and_then(|item| item.low_stock_threshold);
        let level = Level {
            quantity: before.quantity.saturating_add(delta.quantity),
            reserved: before.reserved.saturating_add(delta.reserved),
            version: message.aggregate_version,
            updated_at: entry.occurred_at,
            own_threshold,
            threshold: own_threshold.or(of_item),
            moved: Some(entry.sequence),
        };
        self.state.levels.insert(key.clone(), level);
        let name = format!("{} at {}", after.sku, after.store_id);
        self.next_version(fact, &name, before.version);
        let Level { quantity, reserved, .. } = level;
        if !(0 <= reserved && reserved <= quantity && quantity <= MAX_UNITS) {
            let fault = format!("sequence {}: {name}: {reserved} of {quantity} reserved", entry.sequence);
            self.report.oversold.push(fault);
        }
        self.tells(fact, after, &level);
        self.plausible(step, fact, before, delta);
        self.moved(step, fact, key, &level, delta);
    }

    /// A fact that speaks of a step of the level that another fact made.
    pub(super) fn repeat_level(&mut self, fact: Fact<'_>, after: &LevelAfter) {
        self.must_live(fact.entry, after.item_id, &after.sku);
        let level = self.state.levels.get(&(after.item_id, after.store_id.clone())).copied().unwrap_or_default();
        self.same_version(fact, &format!("{} at {}", after.sku, after.store_id), level.version);
        self.tells(fact, after, &level);
    }

    fn tells(&mut self, fact: Fact<'_>, after: &LevelAfter, level: &Level) {
        let Level { quantity, reserved, .. } = *level;
        let told = (after.total_quantity, after.reserved_total, after.available_quantity);
        if told != (quantity, reserved, level.available()) {
            let (sequence, sku, store) = (fact.entry.sequence, &after.sku, &after.store_id);
            self.report.conservation.push(format!(
                "sequence {sequence}: {sku} at {store}: {reserved} of {quantity} reserved, but it tells (total, reserved, available) {told:?}"
            ));
        }
    }

    /// It moves units, in the direction that its name says.
    fn plausible(&mut self, step: &Step<'_>, fact: Fact<'_>, before: Level, delta: Delta) {
        let sequence = fact.entry.sequence;
        let change = &fact.message.change;
        let wrong = if let Change::StockAdjusted { adjustment, previous_quantity, new_quantity, .. } = change {
            if (*previous_quantity, *new_quantity) != (before.quantity, before.quantity.saturating_add(*adjustment)) {
                self.report.conservation.push(format!(
                    "sequence {sequence}: {} units changed by {adjustment}, but it says {previous_quantity} became {new_quantity}",
                    before.quantity
                ));
            }
            *adjustment == 0 && !step.has("StockCounted")
        } else if let Change::StockReserved { .. } = change {
            delta.reserved <= 0
        } else {
            // Released and issued units are no longer reserved; settings move none.
            delta.reserved >= 0 && !matches!(change, Change::StockSettingsChanged { .. })
        };
        if wrong {
            let fault = format!("sequence {sequence}: {} of no units: {delta:?}", change.event_type());
            self.report.conservation.push(fault);
        }
    }

    fn moved(&mut self, step: &Step<'_>, fact: Fact<'_>, key: Key, level: &Level, delta: Delta) {
        let Fact { entry, message } = fact;
        let (reason, reference, kind) = if let Change::StockAdjusted { reason, reference, .. } = &message.change {
            let why = ["StockTransferred", "StockCounted"].into_iter().find(|kind| step.has(kind));
            (reason.clone(), reference.clone(), why.unwrap_or("StockAdjusted"))
        } else {
            (None, None, message.change.event_type())
        };
        let (reservation_id, order_id) = message.change.held_for();
        let (item_id, store_id) = key.clone();
        let chain = self.chains.entry(key).or_default();
        let movement = Movement {
            occurred_at: entry.occurred_at,
            kind: kind.to_owned(),
            item_id,
            store_id,
            quantity_change: delta.quantity,
            reserved_change: delta.reserved,
            quantity: level.quantity,
            reserved: level.reserved,
            version: level.version,
            previous: chain.last().copied(),
            jump: jump(chain.len()).map(|depth| chain[depth]),
            reason,
            reference,
            actor: message.actor.clone().unwrap_or_else(|| ANONYMOUS.to_owned()),
            order_id: order_id.map(str::to_owned),
            reservation_id,
            command_id: entry.command_id,
        };
        chain.push(entry.sequence);
        self.state.movements.insert(entry.sequence, movement);
    }
}

/// How deep the movement is to which the one at `depth` jumps: as far back as the last digit of its depth counts, in
/// skew binary, where a digit counts 1, 3, 7, 15 and so on (Myers, An applicative random-access stack, 1983). The first
/// one, at depth 0, does not jump.
fn jump(depth: usize) -> Option<usize> {
    let mut weight = usize::MAX >> 1;
    let (mut rest, mut last) = (depth, None);
    while rest > 0 {
        while weight > rest {
            weight >>= 1;
        }
        rest -= weight;
        last = Some(weight);
    }
    last.map(|weight| depth - weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as the writer follows it, by the two rows before.
    #[test]
    fn jumps_are_those_of_the_rule_that_looks_at_two_rows_only() {
        let mut jumps = vec![0_usize];
        for depth in 1..5000 {
            let p = depth - 1;
            let even = p - jumps[p] == jumps[p] - jumps[jumps[p]];
            jumps.push(if even { jumps[jumps[p]] } else { p });
            assert_eq!(jump(depth), Some(jumps[depth]), "{depth}");
        }
        assert_eq!(jump(0), None);
    }

    #[test]
    fn any_movement_is_found_in_logarithmically_many_steps() {
        for newest in [1_usize, 10, 1000, 100_000] {
            for wanted in [0, newest / 3, newest / 2, newest - 1] {
                let (mut at, mut steps) = (newest, 0);
                while at > wanted {
                    at = jump(at).filter(|&far| far >= wanted).unwrap_or(at - 1);
                    steps += 1;
                }
                assert!(at == wanted && steps <= 3 * newest.ilog2() + 3, "{steps} from {newest} to {wanted}");
            }
        }
    }
}
