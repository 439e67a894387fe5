//! Lists of reservations, the newest first: in the order of the journal sequences in which they were made.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Params};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::id::{ItemId, ReservationId};
use shared::read_model::StoredReservation;
use shared::reservation::{MAX_LINES, ReservationStatus};
use shared::text::{CustomerId, OrderId, StoreId};

use super::{COLUMNS, head, lines, without_lines};
use crate::document::reservation::status_at;
use crate::query::counter;
use crate::query::movements::{self, chain};
use crate::query::walk::{Bounds, Page, Walk};

/// Which reservations are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ReservationFilter {
    pub(crate) item_id: Option<ItemId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) customer_id: Option<CustomerId>,
    /// As it is shown.
    pub(crate) status: Option<ReservationStatus>,
}

/// A candidate: where it stands, and what it is unless it is known not to match.
type See<'a> = dyn FnMut(u64, Option<StoredReservation>) -> rusqlite::Result<ControlFlow<()>> + 'a;

/// Those that match at `now`, from `greatest` down.
pub(crate) fn page(
    connection: &Connection,
    filter: &ReservationFilter,
    greatest: u64,
    now: Timestamp,
    bounds: Bounds,
) -> rusqlite::Result<Page<StoredReservation>> {
    let mut walk = Walk::new(bounds);
    let mut see = |sequence: u64, candidate: Option<StoredReservation>| {
        let row = candidate.map(|candidate| filter.matching(connection, candidate, now)).transpose()?.flatten();
        Ok(walk.see(sequence, row))
    };
    match (&filter.order_id, &filter.customer_id, filter.item_id, filter.status) {
        (Some(order), _, _, _) => of_order(connection, order, greatest, &mut see)?,
        (None, Some(customer), _, _) => of_customer(connection, customer, greatest, &mut see)?,
        (None, None, Some(item), Some(ReservationStatus::Pending)) => holding(connection, item, greatest, &mut see)?,
        (None, None, Some(item), _) => of_item(connection, item, greatest, &mut see)?,
        (None, None, None, _) => of_all(connection, greatest, &mut see)?,
    }
    Ok(walk.end())
}

impl ReservationFilter {
    /// The candidate with its lines, if it matches.
    fn matching(
        &self,
        connection: &Connection,
        mut candidate: StoredReservation,
        now: Timestamp,
    ) -> rusqlite::Result<Option<StoredReservation>> {
        if !self.matches_head(&candidate, now) {
            return Ok(None);
        }
        candidate.lines = lines(connection, candidate.number)?;
        Ok(Some(candidate).filter(|candidate| self.matches_lines(candidate)))
    }

    /// Whether a reservation is one of these at `now`.
    pub(crate) fn matches(&self, candidate: &StoredReservation, now: Timestamp) -> bool {
        self.matches_head(candidate, now) && self.matches_lines(candidate)
    }

    fn matches_head(&self, candidate: &StoredReservation, now: Timestamp) -> bool {
        self.order_id.as_ref().is_none_or(|id| candidate.order_id.as_deref() == Some(id.as_str()))
            && self.customer_id.as_ref().is_none_or(|id| candidate.customer_id.as_deref() == Some(id.as_str()))
            && self.status.is_none_or(|status| status_at(candidate, now) == status)
    }

    fn matches_lines(&self, candidate: &StoredReservation) -> bool {
        self.item_id.is_none_or(|item| candidate.lines.iter().any(|line| line.item_id == item))
    }
}

const OF_ORDER: &str = "number <= ?1 AND order_id = ?2";
const OF_CUSTOMER: &str = "number <= ?1 AND customer_id = ?2";
const OF_ALL: &str = "number <= ?1";

fn statement(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM reservations WHERE {condition} ORDER BY number DESC")
}

fn of_order(connection: &Connection, order: &OrderId, greatest: u64, see: &mut See<'_>) -> rusqlite::Result<()> {
    each(connection, OF_ORDER, (signed(greatest), order.as_str()), see)
}

fn of_customer(
    connection: &Connection,
    customer: &CustomerId,
    greatest: u64,
    see: &mut See<'_>,
) -> rusqlite::Result<()> {
    each(connection, OF_CUSTOMER, (signed(greatest), customer.as_str()), see)
}

fn of_all(connection: &Connection, greatest: u64, see: &mut See<'_>) -> rusqlite::Result<()> {
    each(connection, OF_ALL, (signed(greatest),), see)
}

fn each(connection: &Connection, condition: &str, parameters: impl Params, see: &mut See<'_>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&statement(condition))?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let candidate = without_lines(row)?;
        if see(candidate.number, Some(candidate))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Those that hold stock of the item now: the index of open lines has them in order for each store, and for simple ones
/// and others.
fn holding(connection: &Connection, item: ItemId, greatest: u64, see: &mut See<'_>) -> rusqlite::Result<()> {
    let levels = chain::levels(connection, item)?;
    let groups: Vec<(&str, bool)> =
        levels.iter().flat_map(|level| [false, true].map(|simple| (level.store_id.as_str(), simple))).collect();
    let mut next = BinaryHeap::new();
    for (group, &(store, simple)) in groups.iter().enumerate() {
        next.extend(last_open(connection, item, store, simple, greatest)?.map(|number| (number, group)));
    }
    while let Some((number, group)) = next.pop() {
        let (store, simple) = groups[group];
        let below = number.saturating_sub(1);
        next.extend(last_open(connection, item, store, simple, below)?.map(|number| (number, group)));
        if see(number, numbered(connection, number)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

// The condition is that of the index, to the letter (0002_reservations.sql).
const LAST_OPEN: &str = "SELECT reservation FROM reservation_lines
    WHERE item_id = ?1 AND store_id = ?2 AND simple = ?3 AND quantity > confirmed + released AND reservation <= ?4
    ORDER BY reservation DESC LIMIT 1";

/// The last reservation up to `greatest` that holds units of a level.
fn last_open(
    connection: &Connection,
    item: ItemId,
    store: &str,
    simple: bool,
    greatest: u64,
) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(LAST_OPEN)?;
    statement
        .query_row((item.as_bytes(), store, simple, signed(greatest)), |row| counter(row, "reservation"))
        .optional()
}

fn numbered(connection: &Connection, number: u64) -> rusqlite::Result<Option<StoredReservation>> {
    let statement = format!("SELECT {COLUMNS} FROM reservations WHERE number = ?1");
    connection.prepare_cached(&statement)?.query_row([signed(number)], without_lines).optional()
}

/// All that ever held stock of the item: the chains of its levels have a movement for each, in the same order, a few
/// sequences after the reservation was made. What the migration made has none, but its id is known.
fn of_item(connection: &Connection, item: ItemId, greatest: u64, see: &mut See<'_>) -> rusqlite::Result<()> {
    let mut next = BinaryHeap::new();
    let latest = greatest.saturating_add(MAX_LINES as u64);
    for level in chain::levels(connection, item)? {
        next.extend(chain::last_until(connection, level.moved, latest)?);
        let store = StoreId::parse(&level.store_id).map_err(crate::query::unreadable)?;
        let opening = head(connection, ReservationId::of_opening(item, &store))?;
        next.extend(opening.map(|opening| opening.number).filter(|&number| number <= greatest));
    }
    while let Some(sequence) = next.pop() {
        // A sequence is a movement's or a reservation's, never both.
        let (stands_at, candidate) = match movements::movement(connection, sequence)? {
            Some(movement) => {
                next.extend(movement.previous);
                let id = movement.reservation_id.filter(|_| movement.kind == movements::RESERVED);
                let made = id.map(|id| head(connection, id)).transpose()?.flatten();
                (made.as_ref().map_or(sequence, |made| made.number), made)
            }
            None => (sequence, numbered(connection, sequence)?),
        };
        // Of a later reservation than the first one wanted, or after it: there are fewer of these than lines.
        if stands_at <= greatest && see(stands_at, candidate)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema;

    #[test]
    fn each_way_follows_an_index_in_the_order_of_the_answer() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection);
        for (statement, index) in [
            (statement(OF_ALL), "USING INTEGER PRIMARY KEY (rowid<?)"),
            (statement(OF_ORDER), "USING INDEX reservations_by_order (order_id=? AND rowid<?)"),
            (statement(OF_CUSTOMER), "USING INDEX reservations_by_customer (customer_id=? AND rowid<?)"),
            (LAST_OPEN.to_owned(), "USING INDEX open_lines (item_id=? AND store_id=? AND simple=? AND reservation<?)"),
        ] {
            let plan = schema::plan(&connection, &statement);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }
}
