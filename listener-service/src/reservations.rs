//! Reservations and their lines in the tables.

use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::clock::Timestamp;
use shared::id::{EventId, ItemId, ReservationId};
use shared::message::{ReservationAfter, ReservedLine};
use shared::reservation::ReservationStatus;
use shared::text::{CustomerId, OrderId, StoreId};

use crate::aggregates::{Stale, code, unreadable};
use crate::domain::Reservation;

/// The reservation with this id, if there is one.
pub fn find(connection: &Connection, id: ReservationId) -> rusqlite::Result<Option<Reservation>> {
    connection
        .prepare_cached(&format!("{RESERVATION} WHERE reservation_id = ?1"))?
        .query_row([id.uuid()], reservation)
        .optional()?
        .map(|found| with_lines(connection, found))
        .transpose()
}

/// The pending simple reservations at a level, the oldest first, until they hold `enough` units or there are no more.
/// Those whose deadline has passed are among them and count for nothing.
pub fn simple_at(
    connection: &Connection,
    item: ItemId,
    store: &StoreId,
    enough: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Reservation>> {
    let mut statement = connection.prepare_cached(
        "SELECT reservation, quantity - confirmed - released FROM reservation_lines INDEXED BY open_lines
         WHERE item_id = ?1 AND store_id = ?2 AND simple = 1 AND quantity > confirmed + released ORDER BY reservation",
    )?;
    let mut rows = statement.query(params![item.uuid(), store.as_str()])?;
    let (mut found, mut units) = (Vec::new(), 0);
    while units < enough
        && let Some(row) = rows.next()?
    {
        let reservation = by_number(connection, row.get(0)?)?;
        units += if reservation.is_past(now) { 0 } else { row.get(1)? };
        found.push(reservation);
    }
    Ok(found)
}

/// Pending reservations whose deadline is not after `now`, those of the earliest deadlines first, until they have
/// `enough` lines. Without those whose numbers are `aside`.
pub fn due(
    connection: &Connection,
    now: Timestamp,
    enough: usize,
    aside: impl Fn(i64) -> bool,
) -> rusqlite::Result<Vec<Due>> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM reservations INDEXED BY reservations_due
         WHERE status = 'pending' AND expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at",
    )?;
    let mut rows = statement.query([now.millis()])?;
    let (mut found, mut lines) = (Vec::new(), 0);
    while lines < enough
        && let Some(row) = rows.next()?
    {
        let number = row.get(0)?;
        if !aside(number) {
            let reservation = by_number(connection, number)?;
            lines += reservation.details.lines.len();
            found.push(Due { number, reservation });
        }
    }
    Ok(found)
}

/// A reservation that is to expire.
#[derive(Debug)]
pub struct Due {
    /// The row's.
    pub number: i64,
    /// As it is in the tables.
    pub reservation: Reservation,
}

/// The earliest deadline of a pending reservation, but for those whose numbers are `aside`.
pub fn next_deadline(connection: &Connection, aside: impl Fn(i64) -> bool) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, expires_at FROM reservations INDEXED BY reservations_due
         WHERE status = 'pending' AND expires_at IS NOT NULL ORDER BY expires_at",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !aside(row.get(0)?) {
            return Ok(Some(Timestamp::from_millis(row.get(1)?)));
        }
    }
    Ok(None)
}

/// A new one.
pub fn insert(
    connection: &Connection,
    number: u64,
    details: &ReservationAfter,
    deadline_by: Option<EventId>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO reservations (number, reservation_id, store_id, customer_id, order_id, simple, status, created_at,
                expires_at, deadline_by, ended_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
        )?
        .execute(params![
            number,
            details.reservation_id.uuid(),
            details.store_id.as_str(),
            details.customer_id.as_ref().map(CustomerId::as_str),
            details.order_id.as_ref().map(OrderId::as_str),
            details.simple,
            details.status.as_str(),
            details.created_at.millis(),
            details.expires_at.map(Timestamp::millis),
            deadline_by.map(EventId::uuid),
            details.ended_at.map(Timestamp::millis),
        ])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO reservation_lines (reservation, line, item_id, store_id, simple, quantity, confirmed, released)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (index, line) in details.lines.iter().enumerate() {
        insert.execute(params![
            number,
            index,
            line.item_id.uuid(),
            details.store_id.as_str(),
            details.simple,
            line.quantity,
            line.confirmed,
            line.released,
        ])?;
    }
    Ok(())
}

/// Writes it as it is at `version`; the row must be at the version before. `deadline_by` if its deadline was moved.
pub fn update(
    connection: &Connection,
    details: &ReservationAfter,
    version: u64,
    deadline_by: Option<EventId>,
) -> rusqlite::Result<Result<(), Stale>> {
    // RETURNING would have SQLite make a table for the answer.
    let rows = connection
        .prepare_cached(
            "UPDATE reservations SET order_id = ?3, status = ?4, expires_at = ?5,
                deadline_by = coalesce(?6, deadline_by), ended_at = ?7, version = ?2
             WHERE reservation_id = ?1 AND version = ?2 - 1",
        )?
        .execute(params![
            details.reservation_id.uuid(),
            version,
            details.order_id.as_ref().map(OrderId::as_str),
            details.status.as_str(),
            details.expires_at.map(Timestamp::millis),
            deadline_by.map(EventId::uuid),
            details.ended_at.map(Timestamp::millis),
        ])?;
    if rows == 0 {
        return Ok(Err(Stale));
    }
    if deadline_by.is_some() {
        return Ok(Ok(()));
    }
    let mut update = connection.prepare_cached(
        "UPDATE reservation_lines SET confirmed = ?3, released = ?4
         WHERE reservation = (SELECT number FROM reservations WHERE reservation_id = ?1) AND line = ?2",
    )?;
    for (index, line) in details.lines.iter().enumerate() {
        update.execute(params![details.reservation_id.uuid(), index, line.confirmed, line.released])?;
    }
    Ok(Ok(()))
}

const RESERVATION: &str = "
    SELECT number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at, deadline_by,
        ended_at, version
    FROM reservations";

fn by_number(connection: &Connection, number: i64) -> rusqlite::Result<Reservation> {
    let found =
        connection.prepare_cached(&format!("{RESERVATION} WHERE number = ?1"))?.query_row([number], reservation)?;
    with_lines(connection, found)
}

fn reservation(row: &Row<'_>) -> rusqlite::Result<(i64, Reservation)> {
    let status: String = row.get(6)?;
    let details = ReservationAfter {
        reservation_id: ReservationId::from_uuid(row.get(1)?),
        store_id: code(row, 2)?,
        customer_id: text(row, 3, CustomerId::parse)?,
        order_id: text(row, 4, OrderId::parse)?,
        simple: row.get(5)?,
        status: ReservationStatus::parse(&status).expect("a CHECK of the table names the statuses"),
        lines: Vec::new(),
        created_at: Timestamp::from_millis(row.get(7)?),
        expires_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
        ended_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
    };
    let deadline_by = row.get::<_, Option<uuid::Uuid>>(9)?.map(EventId::from_uuid);
    Ok((row.get(0)?, Reservation { details, deadline_by, version: row.get(11)? }))
}

fn with_lines(connection: &Connection, (number, mut reservation): (i64, Reservation)) -> rusqlite::Result<Reservation> {
    let mut statement = connection.prepare_cached(
        "SELECT l.item_id, i.sku, l.quantity, l.confirmed, l.released
         FROM reservation_lines l JOIN items i USING (item_id) WHERE l.reservation = ?1 ORDER BY l.line",
    )?;
    let lines = statement.query_map([number], |row| {
        Ok(ReservedLine {
            item_id: ItemId::from_uuid(row.get(0)?),
            sku: code(row, 1)?,
            quantity: row.get(2)?,
            confirmed: row.get(3)?,
            released: row.get(4)?,
        })
    })?;
    reservation.details.lines = lines.collect::<rusqlite::Result<_>>()?;
    Ok(reservation)
}

fn text<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(&text)).transpose().map_err(|error| unreadable(column, error))
}
