//! The life of a reservation: it begins pending and ends once, before its deadline or by it.

use super::Replay;
use crate::checker::database::{Line, Reservation};
use crate::checker::fact::{Change, ReservationAfter};
use crate::checker::step::{Cause, Fact, Step};
use shared::id::ReservationId;
use shared::reservation::MAX_LINES;

/// A day, in milliseconds.
const LONGEST: i64 = 86_400_000;

impl Replay<'_> {
    pub(super) fn change_reservation(&mut self, step: &Step<'_>, fact: Fact<'_>, told: &ReservationAfter) {
        let id = told.reservation_id;
        for line in &told.lines {
            self.must_live(fact.entry, line.item_id, &line.sku);
        }
        let before = self.state.reservations.get(&id).cloned();
        self.before.reservations.entry(id).or_insert_with(|| before.clone());
        let after = as_told(fact, told, before.as_ref());
        let creation = matches!(fact.message.change, Change::ReservationCreated(_));
        let mut faults = Vec::new();
        match &before {
            None if creation => {
                created(step, fact, told, &after, &mut faults);
                self.takes_reservations(step, told, &mut faults);
            }
            Some(_) if creation => faults.push("is made again".to_owned()),
            None => faults.push("does not exist".to_owned()),
            Some(before) => {
                unchanged(fact, before, &after, &mut faults);
                went_on(fact, before, &after, &mut faults);
            }
        }
        let sequence = fact.entry.sequence;
        self.report.reservations.extend(faults.into_iter().map(|fault| format!("sequence {sequence}: {id}: {fault}")));
        self.next_version(fact, &format!("reservation {id}"), before.map_or(0, |before| before.version));
        self.state.reservations.insert(id, after);
    }

    fn takes_reservations(&self, step: &Step<'_>, told: &ReservationAfter, faults: &mut Vec<String>) {
        let open = self.state.stores.get(&told.store_id).is_some_and(|store| store.active);
        if !open && !matches!(step.cause, Cause::Opening(_)) {
            faults.push(format!("is at {}, which takes no reservations", told.store_id));
        }
    }
}

fn as_told(fact: Fact<'_>, told: &ReservationAfter, before: Option<&Reservation>) -> Reservation {
    let line = |line: &crate::checker::fact::ReservedLine| Line {
        item_id: line.item_id,
        store_id: told.store_id.clone(),
        simple: told.simple,
        quantity: line.quantity,
        confirmed: line.confirmed,
        released: line.released,
    };
    let sets_deadline = matches!(fact.message.change, Change::ReservationCreated(_) | Change::ReservationExtended(_));
    let set_now = Some(fact.message.event_id).filter(|_| told.expires_at.is_some());
    Reservation {
        number: before.map_or(fact.entry.sequence, |before| before.number),
        store_id: told.store_id.clone(),
        customer_id: told.customer_id.clone(),
        order_id: told.order_id.clone(),
        simple: told.simple,
        status: told.status.clone(),
        created_at: told.created_at.millis(),
        expires_at: told.expires_at.map(shared::clock::Timestamp::millis),
        deadline_by: if sets_deadline { set_now } else { before.and_then(|before| before.deadline_by) },
        ended_at: told.ended_at.map(shared::clock::Timestamp::millis),
        version: fact.message.aggregate_version,
        lines: told.lines.iter().map(line).collect(),
    }
}

fn created(step: &Step<'_>, fact: Fact<'_>, told: &ReservationAfter, after: &Reservation, faults: &mut Vec<String>) {
    let now = fact.entry.occurred_at;
    let mut items: Vec<_> = after.lines.iter().map(|line| line.item_id).collect();
    items.sort_unstable();
    items.dedup();
    if !(1..=MAX_LINES).contains(&after.lines.len()) || items.len() != after.lines.len() {
        faults.push(format!("has {} lines of {} items", after.lines.len(), items.len()));
    }
    if after.lines.iter().any(|line| line.quantity < 1 || (line.confirmed, line.released) != (0, 0)) {
        faults.push(format!("begins with other lines than units reserved: {:?}", told.lines));
    }
    if !after.is_pending() || after.ended_at.is_some() || after.created_at != now {
        faults.push("does not begin pending and now".to_owned());
    }
    match after.expires_at {
        None if after.simple => {}
        Some(_) if after.simple => faults.push("is simple and begins with a deadline".to_owned()),
        None => faults.push("begins without a deadline".to_owned()),
        Some(expires_at) => ahead(now, expires_at, faults),
    }
    let simple_of = match step.cause {
        Cause::Command(command) => ReservationId::of(command) == told.reservation_id,
        Cause::Expiry(_) | Cause::Opening(_) | Cause::Nothing => true,
    };
    let bare = after.lines.len() == 1 && after.customer_id.is_none() && after.order_id.is_none();
    if after.simple && !(simple_of && bare) {
        faults.push("is simple and yet has an id, lines or a buyer that somebody chose".to_owned());
    }
}

/// A deadline is whole seconds from when it is set.
fn ahead(now: i64, expires_at: i64, faults: &mut Vec<String>) {
    let ahead = expires_at.saturating_sub(now);
    if !(1000..=LONGEST).contains(&ahead) || ahead % 1000 != 0 {
        faults.push(format!("has a deadline in {ahead} ms"));
    }
}

/// What no fact changes, and what only some do.
fn unchanged(fact: Fact<'_>, before: &Reservation, after: &Reservation, faults: &mut Vec<String>) {
    let change = &fact.message.change;
    let lines = |reservation: &Reservation| -> Vec<_> {
        reservation.lines.iter().map(|line| (line.item_id, line.quantity)).collect()
    };
    let fixed = |of: &Reservation| (of.store_id.clone(), of.customer_id.clone(), of.simple, of.created_at, lines(of));
    if fixed(before) != fixed(after) {
        faults.push(format!("was {:?}, is told as {:?}", fixed(before), fixed(after)));
    }
    let may_name_order = matches!(change, Change::ReservationConfirmed(_)) && after.order_id.is_some();
    if before.order_id != after.order_id && !may_name_order {
        faults.push(format!("was for order {:?}, is told to be for {:?}", before.order_id, after.order_id));
    }
    if before.expires_at != after.expires_at && !matches!(change, Change::ReservationExtended(_)) {
        faults.push(format!("had the deadline {:?}, is told to have {:?}", before.expires_at, after.expires_at));
    }
    for (was, is) in before.lines.iter().zip(&after.lines) {
        if is.confirmed < was.confirmed || is.released < was.released || is.left() < 0 {
            faults.push(format!("a line that was {was:?} is told as {is:?}"));
        }
    }
}

/// From pending to where the fact says, and when it may.
fn went_on(fact: Fact<'_>, before: &Reservation, after: &Reservation, faults: &mut Vec<String>) {
    let (change, now) = (&fact.message.change, fact.entry.occurred_at);
    let event = change.event_type();
    if !before.is_pending() {
        faults.push(format!("{event} after it was {}", before.status));
    }
    let confirmed = |of: &Reservation| of.lines.iter().map(|line| line.confirmed).sum::<i64>();
    let (issued, left, given) = (confirmed(after) - confirmed(before), after.left(), before.left() - after.left());
    let status = after.status.as_str();
    let fits = if let Change::ReservationConfirmed(_) = change {
        status == "confirmed" && left == 0 && issued > 0
    } else if let Change::ReservationReleased(_) = change {
        let partly = status == "pending" && after.simple && left > 0 && given > 0;
        issued == 0 && (partly || status == "released" && left == 0)
    } else if let Change::ReservationExpired(_) = change {
        status == "expired" && left == 0 && issued == 0
    } else {
        status == "pending" && given == 0 && issued == 0
    };
    if !fits {
        faults.push(format!("{event} makes it {status} with {issued} issued and {left} of {} left", before.left()));
    }
    let ended = if after.is_pending() { None } else { Some(now) };
    if after.ended_at != ended {
        faults.push(format!("ended at {:?}, and {event} is of {now}", after.ended_at));
    }
    if let Change::ReservationExtended(_) = change {
        match after.expires_at {
            Some(expires_at) => ahead(now, expires_at, faults),
            None => faults.push("is extended without a deadline".to_owned()),
        }
    }
    let is_over = before.expires_at.is_some_and(|deadline| deadline <= now);
    if is_over && !matches!(change, Change::ReservationExpired(_)) {
        faults.push(format!("{event} at {now}, after its deadline {:?}", before.expires_at));
    }
}
