//! Facts of one command that say the same thing twice, once for each level and once for the whole.

use super::Replay;
use crate::checker::fact::{Change, LevelAfter, Transfer};
use crate::checker::step::{Fact, Step};

/// A change of what is on hand.
struct Leg<'a> {
    after: &'a LevelAfter,
    adjustment: i64,
    previous: i64,
    new: i64,
    reason: Option<&'a str>,
    version: i64,
}

impl Replay<'_> {
    /// The reasons that the writer gives, the two legs of a transfer, and what was counted.
    pub(super) fn pairs(&mut self, step: &Step<'_>) {
        let legs: Vec<Leg<'_>> = step.facts.iter().filter_map(|&fact| leg(fact)).collect();
        for (whole, reason) in [("InventoryItemCreated", "initial"), ("InventoryItemDeleted", "deleted")] {
            if step.has(whole) && legs.iter().any(|leg| leg.reason != Some(reason)) {
                let fault = format!("sequence {}: a change for another reason than {reason:?}", step.sequence());
                self.report.conservation.push(fault);
            }
        }
        for &fact in &step.facts {
            let fault = if let Change::StockTransferred(transfer) = &fact.message.change {
                self.must_live(fact.entry, transfer.item_id, &transfer.sku);
                let from = self.state.levels.get(&(transfer.item_id, transfer.from_store_id.clone()));
                let version = from.map_or(0, |level| level.version);
                self.same_version(fact, &format!("{} at {}", transfer.sku, transfer.from_store_id), version);
                transferred(transfer, &legs)
            } else if let Change::StockCounted { after, counted_quantity, previous_quantity, reason } =
                &fact.message.change
            {
                let counted = (*counted_quantity, *previous_quantity, fact.message.aggregate_version);
                self::counted(after, counted, reason.as_deref(), &legs)
            } else {
                None
            };
            self.report.conservation.extend(fault.map(|fault| format!("sequence {}: {fault}", fact.entry.sequence)));
        }
    }
}

fn leg(fact: Fact<'_>) -> Option<Leg<'_>> {
    let Change::StockAdjusted { after, adjustment, previous_quantity, new_quantity, reason, .. } = &fact.message.change
    else {
        return None;
    };
    Some(Leg {
        after,
        adjustment: *adjustment,
        previous: *previous_quantity,
        new: *new_quantity,
        reason: reason.as_deref(),
        version: fact.message.aggregate_version,
    })
}

fn transferred(told: &Transfer, legs: &[Leg<'_>]) -> Option<String> {
    let sum: i64 = legs.iter().map(|leg| leg.adjustment).sum();
    let [from, to] = legs else { return Some(format!("a transfer of {} legs, which add up to {sum}", legs.len())) };
    let place = |leg: &Leg<'_>| (leg.after.item_id, leg.after.store_id.clone());
    let reason = Some(told.reason.as_deref().unwrap_or("transfer"));
    if sum != 0 {
        Some(format!("the legs of the transfer add up to {sum}"))
    } else if told.quantity < 1 || (from.adjustment, to.adjustment) != (-told.quantity, told.quantity) {
        Some(format!("{} units are told to be transferred, the legs move {}", told.quantity, to.adjustment))
    } else if told.from_store_id == told.to_store_id
        || place(from) != (told.item_id, told.from_store_id.clone())
        || place(to) != (told.item_id, told.to_store_id.clone())
    {
        let (here, there) = (&told.from_store_id, &told.to_store_id);
        Some(format!("the transfer from {here} to {there} has other legs: {:?}, {:?}", from.after, to.after))
    } else if from.reason != reason || to.reason != reason {
        Some(format!("the legs of the transfer are for {:?} and {:?}, not {reason:?}", from.reason, to.reason))
    } else {
        None
    }
}

fn counted(
    told: &LevelAfter,
    (counted, previous, version): (i64, i64, i64),
    reason: Option<&str>,
    legs: &[Leg<'_>],
) -> Option<String> {
    let [leg] = legs else { return Some(format!("a count with {} changes of what is on hand", legs.len())) };
    let reason = Some(reason.unwrap_or("count"));
    let place = |level: &LevelAfter| (level.item_id, level.store_id.clone());
    if (counted, previous) != (leg.new, leg.previous) {
        Some(format!("{counted} counted after {previous}, but {} became {}", leg.previous, leg.new))
    } else if place(told) != place(leg.after) || version != leg.version {
        Some(format!("the count is of {told:?}, the change of {:?}", leg.after))
    } else if leg.reason != reason {
        Some(format!("the change is for {:?}, the count for {reason:?}", leg.reason))
    } else {
        None
    }
}
