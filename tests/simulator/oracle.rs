//! What a merchant expects of the run: the naive model of testkit, given what was decided in the order in which it was,
//! says and holds the same.

use std::collections::BTreeMap;

use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId, ItemId, ReservationId};
use testkit::model::{Held, Inventory, Reservation};
use uuid::Uuid;

use crate::sending::{Clients, Command};

/// How a command ended, or that a deadline came.
struct Event {
    at: Timestamp,
    command: Option<(CommandId, String, Option<String>)>,
    expired: Option<ReservationId>,
}

fn events(connection: &Connection) -> rusqlite::Result<Vec<Event>> {
    let sql = "
        SELECT sequence, applied_at, command_id, status, code FROM outcomes
        UNION ALL
        SELECT sequence, occurred_at, aggregate_id, 'expired', NULL FROM journal WHERE event_type = 'ReservationExpired'
        ORDER BY 1";
    let mut statement = connection.prepare(sql)?;
    let events = statement.query_map([], |row| {
        let (id, status): (Uuid, String) = (row.get(2)?, row.get(3)?);
        let at = Timestamp::from_millis(row.get(1)?);
        if status == "expired" {
            return Ok(Event { at, command: None, expired: Some(ReservationId::from_uuid(id)) });
        }
        let code = row.get(4)?;
        Ok(Event { at, command: Some((CommandId::from_uuid(id), status, code)), expired: None })
    })?;
    events.collect()
}

/// What differs.
pub(crate) fn differences(connection: &Connection, clients: &Clients, now: Timestamp) -> rusqlite::Result<Vec<String>> {
    let (mut model, mut owners, mut found) = (Inventory::default(), BTreeMap::new(), Vec::new());
    for Event { at, command, expired } in events(connection)? {
        if let Some(id) = expired
            && !model.expire_one(id, at)
        {
            found.push(format!("reservation {id} expired at {at}, when it was not due"));
        }
        let Some((id, status, code)) = command else { continue };
        match clients.commands.get(&id) {
            Some(command) => found.extend(judge(command, (&status, code.as_deref()), at, &mut model, &mut owners)),
            None => found.push(format!("{id} has an outcome, and nobody sent it")),
        }
    }
    let due = model.expire(now);
    if !due.is_empty() {
        found.push(format!("at {now}, these are due and have not expired: {due:?}"));
    }
    found.extend(differ("levels", &levels(connection)?, &expected_levels(&model)));
    found.extend(differ("reservations", &reservations(connection)?, &expected_reservations(&model)));
    Ok(found)
}

fn judge(
    command: &Command,
    ending: (&str, Option<&str>),
    at: Timestamp,
    model: &mut Inventory,
    owners: &mut BTreeMap<IdempotencyId, CommandId>,
) -> Option<String> {
    let asked = &command.asked;
    let told = format!("{} {}", asked.command_id, command.event_type);
    if ending.0 == "dead_lettered" {
        return (!command.may_fail).then(|| format!("{told} became a dead letter"));
    }
    if command.always_fails {
        return Some(format!("{told} fails each time, and yet ended as {ending:?}"));
    }
    if let Some(key) = command.key
        && *owners.entry(key).or_insert(asked.command_id) != asked.command_id
    {
        let is_refused = ending == ("rejected", Some("IDEMPOTENCY_KEY_REUSED"));
        return (!is_refused).then(|| format!("{told} uses another's key, and yet ended as {ending:?}"));
    }
    let objections = model.objections(asked, at);
    let expected: Vec<_> = objections.iter().map(|code| Some(code.as_str())).collect();
    if model.apply(asked, at).is_ok() {
        return (ending.0 != "applied").then(|| format!("{told} ended as {ending:?}, nothing spoke against it"));
    }
    let is_expected = ending.0 == "rejected" && expected.contains(&ending.1);
    (!is_expected).then(|| format!("{told} ended as {ending:?}, not {expected:?}"))
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, actual: &[T], expected: &[T]) -> Vec<String> {
    let more = actual.iter().filter(|one| !expected.contains(one)).map(|one| format!("{what}: there is {one:?}"));
    let less =
        expected.iter().filter(|one| !actual.contains(one)).map(|one| format!("{what}: there should be {one:?}"));
    more.chain(less).collect()
}

/// Item, store, units on hand, units reserved.
type Level = (ItemId, String, i64, i64);

fn levels(connection: &Connection) -> rusqlite::Result<Vec<Level>> {
    let mut statement = connection.prepare("SELECT item_id, store_id, quantity, reserved FROM stock_levels")?;
    let levels =
        statement.query_map([], |row| Ok((ItemId::from_uuid(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?)))?;
    levels.collect()
}

fn expected_levels(model: &Inventory) -> Vec<Level> {
    let level = |(item, store): &(ItemId, shared::text::StoreId)| {
        (*item, store.to_string(), model.on_hand(*item, store), model.reserved(*item, store))
    };
    model.levels.keys().map(level).collect()
}

/// Id, status, confirmed and released units.
fn reservations(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT lower(hex(reservation_id)) || ' ' || status || ' ' || sum(confirmed) || ' ' || sum(released)
         FROM reservations r JOIN reservation_lines l ON l.reservation = r.number GROUP BY number ORDER BY number",
    )?;
    let reservations = statement.query_map([], |row| row.get(0))?;
    reservations.collect()
}

fn expected_reservations(model: &Inventory) -> Vec<String> {
    let told = |one: &Reservation| {
        let sum = |of: fn(&Held) -> i64| one.lines.iter().map(of).sum::<i64>();
        let (confirmed, released) = (sum(|line| line.confirmed), sum(|line| line.released));
        format!("{} {} {confirmed} {released}", one.id.uuid().simple(), one.status)
    };
    model.reservations.iter().map(told).collect()
}
