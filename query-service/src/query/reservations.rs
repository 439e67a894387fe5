//! One reservation and its lines.

pub(crate) mod lists;

use rusqlite::{Connection, OptionalExtension, Row};
use shared::id::ReservationId;
use shared::read_model::{StoredLine, StoredReservation};
use shared::reservation::ReservationStatus;

use super::{counter, id, moment, optional_moment};

const COLUMNS: &str = "number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at,
    ended_at, version, (SELECT coalesce(max(sequence), 0) FROM journal) AS as_of";

/// `None` for one that never was; an ended one stays.
pub(crate) fn reservation(
    connection: &Connection,
    reservation: ReservationId,
) -> rusqlite::Result<Option<StoredReservation>> {
    let mut found = head(connection, reservation)?;
    if let Some(found) = &mut found {
        found.lines = lines(connection, found.number)?;
    }
    Ok(found)
}

/// The same without its lines.
fn head(connection: &Connection, reservation: ReservationId) -> rusqlite::Result<Option<StoredReservation>> {
    let statement = format!("SELECT {COLUMNS} FROM reservations WHERE reservation_id = ?1");
    connection.prepare_cached(&statement)?.query_row([reservation.as_bytes()], without_lines).optional()
}

/// What it holds, or held, in the order of the request.
fn lines(connection: &Connection, number: u64) -> rusqlite::Result<Vec<StoredLine>> {
    let mut statement = connection.prepare_cached(
        "SELECT l.item_id, i.sku, l.quantity, l.confirmed, l.released
         FROM reservation_lines l JOIN items i ON i.item_id = l.item_id WHERE l.reservation = ?1 ORDER BY l.line",
    )?;
    let lines = statement.query_map([number.cast_signed()], |row| {
        Ok(StoredLine {
            item_id: id(row, "item_id")?.expect("item_id is NOT NULL"),
            sku: row.get("sku")?,
            quantity: row.get("quantity")?,
            confirmed: row.get("confirmed")?,
            released: row.get("released")?,
        })
    })?;
    lines.collect()
}

/// Reads a row of [`COLUMNS`].
fn without_lines(row: &Row<'_>) -> rusqlite::Result<StoredReservation> {
    let status: String = row.get("status")?;
    Ok(StoredReservation {
        id: id(row, "reservation_id")?.expect("reservation_id is NOT NULL"),
        status: ReservationStatus::parse(&status).expect("a CHECK of the table names the statuses"),
        store_id: row.get("store_id")?,
        customer_id: row.get("customer_id")?,
        order_id: row.get("order_id")?,
        simple: row.get("simple")?,
        lines: Vec::new(),
        created_at: moment(row, "created_at")?,
        expires_at: optional_moment(row, "expires_at")?,
        ended_at: optional_moment(row, "ended_at")?,
        version: counter(row, "version")?,
        number: counter(row, "number")?,
        as_of: counter(row, "as_of")?,
    })
}
