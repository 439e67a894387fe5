//! What reservations tell and what levels tell is the same: units reserved, issued and released, by reservation.

use std::collections::BTreeMap;

use super::Replay;
use crate::checker::database::{Key, Line, Reservation};
use crate::checker::fact::Change;
use crate::checker::step::{Cause, Step};
use shared::id::ReservationId;

/// Units, of one level.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Units {
    reserved: i64,
    issued: i64,
    released: i64,
}

impl Units {
    fn add(&mut self, other: Self) {
        self.reserved += other.reserved;
        self.issued += other.issued;
        self.released += other.released;
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Replay<'_> {
    pub(super) fn holds(&mut self, step: &Step<'_>, asked: Option<&str>) {
        if step.is_old() || matches!(step.cause, Cause::Opening(_)) {
            return;
        }
        let by_reservation = self.of_reservations();
        let by_level = of_levels(step);
        let sequence = step.sequence();
        for ((item, store), (told, moved)) in sums(&by_reservation, &by_level) {
            if told != moved {
                self.report.conservation.push(format!(
                    "sequence {sequence}: {item} at {store}: reservations tell {told:?}, the level {moved:?}"
                ));
            }
        }
        for ((key, id), moved) in &by_level {
            let givers = by_reservation.iter().filter(|((other, _), told)| other == key && told.released > 0).count();
            let same = match id {
                Some(id) => by_reservation.get(&(key.clone(), *id)) == Some(moved),
                None => moved.reserved == 0 && givers > 1,
            };
            if !same {
                let (item, store) = key;
                let fault = format!("sequence {sequence}: {moved:?} of {item} at {store} is not what {id:?} tells");
                self.report.reservations.push(fault);
            }
        }
        self.orders(step);
        self.oldest_first(step, asked);
    }

    /// By what the lines changed.
    fn of_reservations(&self) -> BTreeMap<(Key, ReservationId), Units> {
        let mut units: BTreeMap<(Key, ReservationId), Units> = BTreeMap::new();
        for (id, before) in &self.before.reservations {
            let Some(after) = self.state.reservations.get(id) else { continue };
            for line in &after.lines {
                let was = before.as_ref().and_then(|before| line_of(before, line));
                let change = Units {
                    reserved: line.quantity - was.map_or(0, |was| was.quantity),
                    issued: line.confirmed - was.map_or(0, |was| was.confirmed),
                    released: line.released - was.map_or(0, |was| was.released),
                };
                units.entry(((line.item_id, line.store_id.clone()), *id)).or_default().add(change);
            }
        }
        units.retain(|_, units| !units.is_none());
        units
    }

    /// A level's fact names the order that its reservation is for.
    fn orders(&mut self, step: &Step<'_>) {
        for fact in &step.facts {
            let (id, order) = fact.message.change.held_for();
            let known = id.map_or(vec![None], |id| {
                let before = self.before.reservations.get(&id).and_then(Option::as_ref);
                let after = self.state.reservations.get(&id);
                before.into_iter().chain(after).map(|reservation| reservation.order_id.as_deref()).collect()
            });
            if !known.contains(&order) {
                let sequence = fact.entry.sequence;
                self.report.reservations.push(format!("sequence {sequence}: is for order {order:?}, not {known:?}"));
            }
        }
    }

    /// A simple release takes from simple reservations only, and from a younger one when the older ones have ended.
    fn oldest_first(&mut self, step: &Step<'_>, asked: Option<&str>) {
        let released = step.facts.iter().filter_map(|fact| {
            let Change::ReservationReleased(after) = &fact.message.change else { return None };
            self.state.reservations.get(&after.reservation_id)
        });
        let released: Vec<&Reservation> = released.collect();
        let is_simple = asked == Some("StockReleaseRequested")
            || released.len() > 1
            || released.iter().any(|reservation| reservation.is_pending());
        let Some(fact) = step.facts.iter().find(|fact| fact.message.change.moves().is_some()).filter(|_| is_simple)
        else {
            return;
        };
        let Some(level) = fact.message.change.level() else { return };
        let (sequence, now) = (fact.entry.sequence, fact.entry.occurred_at);
        let holders = self.simple.get(&(level.item_id, level.store_id.clone()));
        let oldest = holders.into_iter().flatten().filter(|(_, id)| {
            let before = self.before.reservations.get(id).and_then(Option::as_ref);
            let deadline = before.or_else(|| self.state.reservations.get(id)).and_then(|one| one.expires_at);
            deadline.is_none_or(|deadline| now < deadline)
        });
        let mut oldest = oldest.map(|(number, _)| *number);
        let in_order = released.iter().all(|reservation| oldest.next() == Some(reservation.number));
        let all_but_the_last = released.iter().rev().skip(1).all(|reservation| !reservation.is_pending());
        if !in_order || !all_but_the_last {
            let numbers: Vec<i64> = released.iter().map(|reservation| reservation.number).collect();
            self.report.reservations.push(format!(
                "sequence {sequence}: releases what reservations {numbers:?} hold, not the oldest simple ones first"
            ));
        }
    }
}

fn line_of<'a>(reservation: &'a Reservation, like: &Line) -> Option<&'a Line> {
    reservation.lines.iter().find(|line| (line.item_id, &line.store_id) == (like.item_id, &like.store_id))
}

/// By what the levels' facts say.
fn of_levels(step: &Step<'_>) -> BTreeMap<(Key, Option<ReservationId>), Units> {
    let mut units: BTreeMap<(Key, Option<ReservationId>), Units> = BTreeMap::new();
    for fact in &step.facts {
        let change = &fact.message.change;
        let moved = if let Change::StockReserved { reserved_quantity, .. } = change {
            Units { reserved: *reserved_quantity, ..Units::default() }
        } else if let Change::StockIssued { issued_quantity, .. } = change {
            Units { issued: *issued_quantity, ..Units::default() }
        } else if let Change::StockReleased { released_quantity, .. } = change {
            Units { released: *released_quantity, ..Units::default() }
        } else {
            continue;
        };
        let Some(level) = change.level() else { continue };
        let key = (level.item_id, level.store_id.clone());
        units.entry((key, change.held_for().0)).or_default().add(moved);
    }
    units
}

fn sums(
    by_reservation: &BTreeMap<(Key, ReservationId), Units>,
    by_level: &BTreeMap<(Key, Option<ReservationId>), Units>,
) -> BTreeMap<Key, (Units, Units)> {
    let mut sums: BTreeMap<Key, (Units, Units)> = BTreeMap::new();
    for ((key, _), units) in by_reservation {
        sums.entry(key.clone()).or_default().0.add(*units);
    }
    for ((key, _), units) in by_level {
        sums.entry(key.clone()).or_default().1.add(*units);
    }
    sums
}
