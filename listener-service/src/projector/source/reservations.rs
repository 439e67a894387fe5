//! Reservations with their lines.

use rusqlite::{OptionalExtension, Row, params};
use shared::clock::Timestamp;
use shared::id::{ItemId, ReservationId};
use shared::read_model::{StoredLine, StoredReservation};
use shared::reservation::ReservationStatus;

use super::{Load, Snapshot};

/// The most lines that are looked at in one step for the pending ones among them.
const LINES_AT_ONCE: usize = 500;

/// A place among the lines that still hold something, in the order of the index of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct OpenLine {
    item: Vec<u8>,
    store: String,
    simple: i64,
    reservation: u64,
}

impl OpenLine {
    /// Before all of them.
    pub(in super::super) fn before_all() -> Self {
        Self { item: Vec::new(), store: String::new(), simple: -1, reservation: 0 }
    }
}

impl Snapshot<'_> {
    pub(super) fn reservation(&self, id: ReservationId, last: u64) -> rusqlite::Result<Option<StoredReservation>> {
        self.0
            .prepare_cached(&format!("{RESERVATION} WHERE reservation_id = ?1"))?
            .query_row([id.uuid()], |row| stored_reservation(row, last))
            .optional()?
            .map(|found| self.with_lines(found))
            .transpose()
    }

    /// The next reservations below a number, the newest first, as many as one call may write.
    pub(in super::super) fn reservations_before(
        &self,
        number: Option<u64>,
        last: u64,
    ) -> rusqlite::Result<Vec<StoredReservation>> {
        let mut statement = self.0.prepare_cached(&format!("{RESERVATION} WHERE number < ?1 ORDER BY number DESC"))?;
        let before = number.map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let mut rows = statement.query([before])?;
        let (mut found, mut load) = (Vec::new(), Load::default());
        while !load.is_full()
            && let Some(row) = rows.next()?
        {
            let reservation = self.with_lines(stored_reservation(row, last)?)?;
            load.put_reservation(&reservation);
            found.push(reservation);
        }
        Ok(found)
    }

    /// The next pending reservations with numbers below `number`, in the order of their lines, some of them more than once;
    /// and where to go on, unless there are no more.
    pub(in super::super) fn pending_below(
        &self,
        number: u64,
        after: &OpenLine,
        last: u64,
    ) -> rusqlite::Result<(Vec<StoredReservation>, Option<OpenLine>)> {
        let mut statement = self.0.prepare_cached(
            "SELECT item_id, store_id, simple, reservation FROM reservation_lines INDEXED BY open_lines
             WHERE quantity > confirmed + released AND (item_id, store_id, simple, reservation) > (?1, ?2, ?3, ?4)
             ORDER BY item_id, store_id, simple, reservation",
        )?;
        let mut rows = statement.query(params![after.item, after.store, after.simple, after.reservation])?;
        let (mut found, mut load, mut lines, mut reached) = (Vec::new(), Load::default(), 0, None);
        while !load.is_full()
            && lines < LINES_AT_ONCE
            && let Some(row) = rows.next()?
        {
            let line =
                OpenLine { item: row.get(0)?, store: row.get(1)?, simple: row.get(2)?, reservation: row.get(3)? };
            if line.reservation < number {
                let reservation = self.with_lines(self.numbered(line.reservation, last)?)?;
                load.put_reservation(&reservation);
                found.push(reservation);
            }
            lines += 1;
            reached = Some(line);
        }
        Ok((found, reached))
    }

    fn numbered(&self, number: u64, last: u64) -> rusqlite::Result<StoredReservation> {
        self.0
            .prepare_cached(&format!("{RESERVATION} WHERE number = ?1"))?
            .query_row([number], |row| stored_reservation(row, last))
    }

    fn with_lines(&self, mut reservation: StoredReservation) -> rusqlite::Result<StoredReservation> {
        let mut statement = self.0.prepare_cached(
            "SELECT l.item_id, i.sku, l.quantity, l.confirmed, l.released
             FROM reservation_lines l JOIN items i USING (item_id) WHERE l.reservation = ?1 ORDER BY l.line",
        )?;
        let lines = statement.query_map([reservation.number], |row| {
            Ok(StoredLine {
                item_id: ItemId::from_uuid(row.get(0)?),
                sku: row.get(1)?,
                quantity: row.get(2)?,
                confirmed: row.get(3)?,
                released: row.get(4)?,
            })
        })?;
        reservation.lines = lines.collect::<rusqlite::Result<_>>()?;
        Ok(reservation)
    }
}

const RESERVATION: &str = "
    SELECT number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at, ended_at,
        version
    FROM reservations";

fn stored_reservation(row: &Row<'_>, as_of: u64) -> rusqlite::Result<StoredReservation> {
    let status: String = row.get(6)?;
    let time = |column| row.get::<_, Option<i64>>(column).map(|millis| millis.map(Timestamp::from_millis));
    Ok(StoredReservation {
        id: ReservationId::from_uuid(row.get(1)?),
        status: ReservationStatus::parse(&status).expect("a CHECK of the table names the statuses"),
        store_id: row.get(2)?,
        customer_id: row.get(3)?,
        order_id: row.get(4)?,
        simple: row.get(5)?,
        lines: Vec::new(),
        created_at: Timestamp::from_millis(row.get(7)?),
        expires_at: time(8)?,
        ended_at: time(9)?,
        version: row.get(10)?,
        number: row.get(0)?,
        as_of,
    })
}
