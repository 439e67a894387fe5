//! Reservations: made all or none, then confirmed, released or expired, once.

use shared::clock::Timestamp;
use shared::id::ReservationId;
use shared::message::{Command, Fact, ReservationAfter, ReservedLine};
use shared::outcome::RejectionCode;
use shared::quantity::PositiveQuantity;
use shared::reservation::{Line, Lines, ReservationStatus, Ttl};
use shared::text::{CustomerId, OrderId, Sku, StoreId};

use super::{Rejection, Request, Subject, active_store, insufficient_stock, live_item, match_version};
use crate::domain::draft::{Delta, Draft, Place};
use crate::domain::state::held;
use crate::domain::{Change, Reservation, Situation};

/// A detail names no more lines than this.
const LINES_TOLD: usize = 5;

pub(super) fn decide(
    situation: &Situation<'_>,
    request: &Request<'_>,
    id: ReservationId,
) -> Result<Vec<Change>, Rejection> {
    match request.command {
        Command::Reserve { store_id, lines, customer_id, order_id, ttl_seconds } => {
            let wanted = Wanted { store_id, lines, customer_id, order_id, ttl: *ttl_seconds };
            reserve(situation, request.now, id, &wanted)
        }
        Command::ConfirmReservation { order_id, lines } => {
            let reservation = pending(situation, request, id)?;
            confirm(situation, request.now, reservation, order_id.as_ref(), lines.as_ref())
        }
        Command::ExtendReservation { ttl_seconds } => {
            let reservation = pending(situation, request, id)?;
            let mut after = reservation.details.clone();
            after.expires_at = Some(request.now.plus_millis(ttl_seconds.millis()));
            Ok(vec![Change { fact: Fact::ReservationExtended(after), version: reservation.version + 1 }])
        }
        Command::ReleaseReservation {} => {
            let reservation = pending(situation, request, id)?;
            let mut draft = Draft::of(situation);
            let after = ended(reservation, ReservationStatus::Released, request.now);
            give_back(&mut draft, &reservation.details);
            draft.note(Fact::ReservationReleased(after), reservation.version + 1);
            Ok(draft.finish())
        }
        Command::CreateItem { .. }
        | Command::UpdateItem(_)
        | Command::DeleteItem {}
        | Command::AdjustStock { .. }
        | Command::ReserveStock { .. }
        | Command::ReleaseStock { .. }
        | Command::CountStock { .. }
        | Command::ConfigureStock { .. }
        | Command::TransferStock { .. }
        | Command::CreateStore { .. }
        | Command::UpdateStore(_) => unreachable!("decoding gives a command the kind of aggregate that it is for"),
    }
}

/// What follows once the deadline of a pending reservation has passed. `situation` has its items.
pub fn expire(situation: &Situation<'_>, reservation: &Reservation, now: Timestamp) -> Vec<Change> {
    let mut draft = Draft::of(situation);
    let after = ended(reservation, ReservationStatus::Expired, now);
    draft.note(Fact::ReservationExpired(after), reservation.version + 1);
    give_back(&mut draft, &reservation.details);
    draft.finish()
}

struct Wanted<'a> {
    store_id: &'a StoreId,
    lines: &'a Lines,
    customer_id: &'a Option<CustomerId>,
    order_id: &'a Option<OrderId>,
    ttl: Ttl,
}

fn reserve(
    situation: &Situation<'_>,
    now: Timestamp,
    id: ReservationId,
    wanted: &Wanted<'_>,
) -> Result<Vec<Change>, Rejection> {
    let version = situation.reservation.map_or(0, |reservation| reservation.version);
    is_free(situation, id).map_err(|rejection| Rejection { version, ..rejection })?;
    active_store(situation, wanted.store_id)?;
    let lines = with_skus(situation, wanted.lines)?;
    let mut draft = Draft::of(situation);
    all_available(&mut draft, wanted.store_id, &lines)?;
    let after = ReservationAfter {
        reservation_id: id,
        store_id: wanted.store_id.clone(),
        customer_id: wanted.customer_id.clone(),
        order_id: wanted.order_id.clone(),
        status: ReservationStatus::Pending,
        simple: false,
        lines: lines.iter().map(|(line, sku)| reserved_line(line, sku)).collect(),
        created_at: now,
        expires_at: Some(now.plus_millis(wanted.ttl.millis())),
        ended_at: None,
    };
    draft.note(Fact::ReservationCreated(after), 1);
    for (line, sku) in lines {
        let place = Place { item_id: line.item_id, sku, store: wanted.store_id };
        hold(&mut draft, place, line.quantity, id, wanted.order_id.clone());
    }
    Ok(draft.finish())
}

/// An id that follows from a command is taken if the command ended so long ago that its outcome is forgotten.
fn is_free(situation: &Situation<'_>, id: ReservationId) -> Result<(), Rejection> {
    if situation.reservation.is_none() {
        return Ok(());
    }
    let detail = format!("there is a reservation {id} already");
    Err(Rejection { code: RejectionCode::ReservationExists, detail, version: 0 })
}

/// Every line whose item is not there is told, up to a few.
fn with_skus<'a>(situation: &'a Situation<'_>, lines: &'a Lines) -> Result<Vec<(&'a Line, &'a Sku)>, Rejection> {
    let mut missing = Vec::new();
    let mut found = Vec::with_capacity(lines.as_slice().len());
    for line in lines.as_slice() {
        match live_item(situation, line.item_id) {
            Ok(item) => found.push((line, &item.sku)),
            Err(Rejection { detail, .. }) => missing.push(detail),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(Rejection { code: RejectionCode::ItemNotFound, detail: a_few(missing), version: 0 })
}

/// All or none: every line that cannot be held is told, up to a few.
fn all_available<'a>(
    draft: &mut Draft<'a>,
    store: &'a StoreId,
    lines: &[(&'a Line, &'a Sku)],
) -> Result<(), Rejection> {
    let mut shortages = Vec::new();
    for (line, sku) in lines {
        let available = draft.level(Place { item_id: line.item_id, sku, store }).available();
        if line.quantity.units() > available {
            shortages.push(format!("{sku}: available {available}, requested {}", line.quantity.units()));
        }
    }
    if shortages.is_empty() {
        return Ok(());
    }
    Err(Rejection { code: RejectionCode::InsufficientStock, detail: a_few(shortages), version: 0 })
}

fn a_few(mut of_lines: Vec<String>) -> String {
    let more = of_lines.len().saturating_sub(LINES_TOLD);
    of_lines.truncate(LINES_TOLD);
    if more > 0 {
        of_lines.push(format!("and {more} more"));
    }
    of_lines.join("; ")
}

pub(super) fn reserve_simply(
    subject: &Subject<'_>,
    store: &StoreId,
    quantity: PositiveQuantity,
) -> Result<Vec<Change>, Rejection> {
    let (place, level) = subject.expected_level(store)?;
    active_store(subject.situation, store).map_err(|rejection| Rejection { version: level.version, ..rejection })?;
    if quantity.units() > level.available() {
        return Err(insufficient_stock(level, quantity.units()));
    }
    let id = ReservationId::of(subject.request.command_id);
    is_free(subject.situation, id).map_err(|rejection| Rejection { version: level.version, ..rejection })?;
    let after = ReservationAfter {
        reservation_id: id,
        store_id: store.clone(),
        customer_id: None,
        order_id: None,
        status: ReservationStatus::Pending,
        simple: true,
        lines: vec![reserved_line(&Line { item_id: subject.item_id, quantity }, place.sku)],
        created_at: subject.request.now,
        expires_at: None,
        ended_at: None,
    };
    let mut draft = Draft::of(subject.situation);
    draft.note(Fact::ReservationCreated(after), 1);
    hold(&mut draft, place, quantity, id, None);
    Ok(draft.finish())
}

/// Only what simple calls reserved, the oldest first; never what a buyer holds. One that has a deadline which has passed
/// gives nothing: the sweep gives its units back.
pub(super) fn release_simply(
    subject: &Subject<'_>,
    store: &StoreId,
    quantity: PositiveQuantity,
) -> Result<Vec<Change>, Rejection> {
    let (place, level) = subject.expected_level(store)?;
    let now = subject.request.now;
    let mut left = quantity.units();
    let mut givers = Vec::new();
    for reservation in subject.situation.simple.iter().filter(|reservation| !reservation.is_past(now)) {
        if left == 0 {
            break;
        }
        let given = left.min(reservation.details.lines.iter().map(held).sum());
        givers.push((reservation, given));
        left -= given;
    }
    if left > 0 {
        let reserved = quantity.units() - left;
        let detail = format!("reserved {reserved} by simple reservations, to release {}", quantity.units());
        return Err(Rejection { code: RejectionCode::InsufficientReserved, detail, version: level.version });
    }
    let only = if let [(reservation, _)] = givers[..] { Some(&reservation.details) } else { None };
    let mut draft = Draft::of(subject.situation);
    let (reservation_id, order_id) =
        (only.map(|only| only.reservation_id), only.and_then(|only| only.order_id.clone()));
    let delta = Delta { quantity: 0, reserved: -quantity.units() };
    let released_quantity = quantity.units();
    draft.step(place, delta, |level| Fact::StockReleased { level, released_quantity, reservation_id, order_id });
    for (reservation, given) in givers {
        let mut after = reservation.details.clone();
        if let [line] = &mut after.lines[..] {
            line.released += given;
        }
        if after.lines.iter().all(|line| held(line) == 0) {
            after.status = ReservationStatus::Released;
            after.ended_at = Some(now);
        }
        draft.note(Fact::ReservationReleased(after), reservation.version + 1);
    }
    Ok(draft.finish())
}

/// The reservation, if it is one that can still end otherwise than by its deadline.
fn pending<'a>(
    situation: &'a Situation<'_>,
    request: &Request<'_>,
    id: ReservationId,
) -> Result<&'a Reservation, Rejection> {
    let Some(reservation) = situation.reservation else {
        let detail = format!("there is no reservation {id}");
        return Err(Rejection { code: RejectionCode::ReservationNotFound, detail, version: 0 });
    };
    let details = &reservation.details;
    let said_no = |code, detail| Err(Rejection { code, detail, version: reservation.version });
    let at = |time: Option<Timestamp>| time.map(|time| format!(" at {time}")).unwrap_or_default();
    let ended = at(details.ended_at);
    match details.status {
        ReservationStatus::Confirmed => {
            said_no(RejectionCode::ReservationAlreadyConfirmed, format!("reservation {id} was confirmed{ended}"))
        }
        ReservationStatus::Released => {
            said_no(RejectionCode::ReservationAlreadyReleased, format!("reservation {id} was released{ended}"))
        }
        ReservationStatus::Expired => {
            // The deadline, and not when the sweep came: what is told before the sweep is told after it.
            let deadline = at(details.expires_at);
            said_no(RejectionCode::ReservationExpired, format!("reservation {id} expired{deadline}"))
        }
        ReservationStatus::Pending => {
            if let Some(deadline) = details.expires_at.filter(|_| reservation.is_past(request.now)) {
                return said_no(RejectionCode::ReservationExpired, format!("reservation {id} expired at {deadline}"));
            }
            match_version(request.expected_version, reservation.version)?;
            Ok(reservation)
        }
    }
}

/// Consumes what the reservation holds; it was taken from what is available when it was made.
fn confirm(
    situation: &Situation<'_>,
    now: Timestamp,
    reservation: &Reservation,
    order_id: Option<&OrderId>,
    named: Option<&Lines>,
) -> Result<Vec<Change>, Rejection> {
    if let Some(named) = named {
        all_held(reservation, named)?;
    }
    let mut after = reservation.details.clone();
    after.status = ReservationStatus::Confirmed;
    after.ended_at = Some(now);
    after.order_id = order_id.cloned().or(after.order_id);
    let order_id = after.order_id.clone();
    let reservation_id = after.reservation_id;
    let mut draft = Draft::of(situation);
    for (line, after) in reservation.details.lines.iter().zip(&mut after.lines) {
        let place = Place { item_id: line.item_id, sku: &line.sku, store: &reservation.details.store_id };
        let named_units = |named: &Lines| {
            let found = named.as_slice().iter().find(|named| named.item_id == line.item_id);
            found.map_or(0, |named| named.quantity.units())
        };
        let issued_quantity = named.map_or(held(line), named_units);
        if issued_quantity > 0 {
            let delta = Delta { quantity: -issued_quantity, reserved: -issued_quantity };
            let order_id = order_id.clone();
            draft.step(place, delta, |level| Fact::StockIssued { level, issued_quantity, reservation_id, order_id });
        }
        let rest = held(line) - issued_quantity;
        free(&mut draft, place, rest, reservation_id, order_id.clone());
        after.confirmed += issued_quantity;
        after.released += rest;
    }
    draft.note(Fact::ReservationConfirmed(after), reservation.version + 1);
    Ok(draft.finish())
}

fn all_held(reservation: &Reservation, named: &Lines) -> Result<(), Rejection> {
    for wanted in named.as_slice() {
        let line = reservation.details.lines.iter().find(|line| line.item_id == wanted.item_id);
        let there = line.map_or(0, held);
        if wanted.quantity.units() > there {
            let name = line.map_or_else(|| format!("item {}", wanted.item_id), |line| line.sku.to_string());
            let detail = format!("the reservation holds {there} of {name}, to confirm {}", wanted.quantity.units());
            let code = RejectionCode::InsufficientReserved;
            return Err(Rejection { code, detail, version: reservation.version });
        }
    }
    Ok(())
}

/// As it is after it has ended with all that it held given back.
fn ended(reservation: &Reservation, status: ReservationStatus, now: Timestamp) -> ReservationAfter {
    let mut after = reservation.details.clone();
    after.status = status;
    after.ended_at = Some(now);
    for line in &mut after.lines {
        line.released = line.quantity - line.confirmed;
    }
    after
}

fn give_back<'a>(draft: &mut Draft<'a>, reservation: &'a ReservationAfter) {
    for line in &reservation.lines {
        let place = Place { item_id: line.item_id, sku: &line.sku, store: &reservation.store_id };
        free(draft, place, held(line), reservation.reservation_id, reservation.order_id.clone());
    }
}

fn hold<'a>(
    draft: &mut Draft<'a>,
    place: Place<'a>,
    quantity: PositiveQuantity,
    reservation_id: ReservationId,
    order_id: Option<OrderId>,
) {
    let reserved_quantity = quantity.units();
    let delta = Delta { quantity: 0, reserved: reserved_quantity };
    draft.step(place, delta, |level| Fact::StockReserved { level, reserved_quantity, reservation_id, order_id });
}

fn free<'a>(
    draft: &mut Draft<'a>,
    place: Place<'a>,
    released_quantity: i64,
    reservation_id: ReservationId,
    order_id: Option<OrderId>,
) {
    if released_quantity == 0 {
        return;
    }
    let delta = Delta { quantity: 0, reserved: -released_quantity };
    let reservation_id = Some(reservation_id);
    draft.step(place, delta, |level| Fact::StockReleased { level, released_quantity, reservation_id, order_id });
}

fn reserved_line(line: &Line, sku: &Sku) -> ReservedLine {
    ReservedLine { item_id: line.item_id, sku: sku.clone(), quantity: line.quantity.units(), confirmed: 0, released: 0 }
}
