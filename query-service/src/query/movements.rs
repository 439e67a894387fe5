//! The ledger. A level's rows are a chain: each knows the one before it, and one further back, so that any is found in
//! log n steps without an index by item (docs/SCHEMA.md).

pub(super) mod chain;

use std::collections::BinaryHeap;
use std::ops::{ControlFlow, RangeInclusive};

use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::text::{OrderId, StoreId};

use super::walk::{Bounds, Page, Walk};
use super::{counter, id, items, journal, moment};

/// What a movement can be of.
pub(crate) const TYPES: [&str; 7] = [
    "StockAdjusted",
    "StockReserved",
    "StockReleased",
    "StockIssued",
    "StockSettingsChanged",
    "StockTransferred",
    "StockCounted",
];
/// What a reservation's lines begin with.
pub(super) const RESERVED: &str = "StockReserved";

/// One step of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) sequence: u64,
    pub(crate) occurred_at: Timestamp,
    pub(crate) kind: String,
    pub(crate) item_id: ItemId,
    /// Filled in for those that are shown.
    pub(crate) sku: String,
    pub(crate) store_id: String,
    pub(crate) quantity_change: i64,
    pub(crate) reserved_change: i64,
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) version: u64,
    pub(super) previous: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) actor: String,
    pub(crate) order_id: Option<String>,
    pub(crate) reservation_id: Option<ReservationId>,
    /// `None` for an expiry.
    pub(crate) command_id: Option<CommandId>,
}

/// Which movements are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct MovementFilter {
    pub(crate) item_id: Option<ItemId>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) kind: Option<&'static str>,
    /// Inclusive.
    pub(crate) from: Option<Timestamp>,
    /// Inclusive.
    pub(crate) to: Option<Timestamp>,
}

impl MovementFilter {
    fn matches(&self, movement: &Movement) -> bool {
        self.item_id.is_none_or(|item| movement.item_id == item)
            && self.store_id.as_ref().is_none_or(|store| movement.store_id == store.as_str())
            && self.order_id.as_ref().is_none_or(|order| movement.order_id.as_deref() == Some(order.as_str()))
            && self.kind.is_none_or(|kind| movement.kind == kind)
    }

    /// Time and sequence go up together, so a time is a place in the journal.
    fn sequences(&self, connection: &Connection, greatest: u64) -> rusqlite::Result<RangeInclusive<u64>> {
        let least = match self.from {
            Some(from) => journal::last_until(connection, from.plus_millis(-1))? + 1,
            None => 1,
        };
        let greatest = match self.to {
            Some(to) => greatest.min(journal::last_until(connection, to)?),
            None => greatest,
        };
        Ok(least..=greatest)
    }
}

/// Those that match, the newest first, from `greatest` down.
pub(crate) fn page(
    connection: &Connection,
    filter: &MovementFilter,
    greatest: u64,
    bounds: Bounds,
) -> rusqlite::Result<Page<Movement>> {
    let sequences = filter.sequences(connection, greatest)?;
    let mut walk = Walk::new(bounds);
    let mut see = |movement: Movement| {
        let sequence = movement.sequence;
        walk.see(sequence, filter.matches(&movement).then_some(movement))
    };
    // An order has few movements, an item has its own, a store has many.
    match (&filter.order_id, filter.item_id, &filter.store_id) {
        (Some(order), _, _) => of_order(connection, order, &sequences, &mut see)?,
        (None, Some(item), store) => of_item(connection, item, store.as_ref(), &sequences, &mut see)?,
        (None, None, Some(store)) => of_store(connection, store, &sequences, &mut see)?,
        (None, None, None) => of_all(connection, &sequences, &mut see)?,
    }
    let mut page = walk.end();
    for movement in &mut page.rows {
        movement.sku = items::sku(connection, movement.item_id)?.unwrap_or_default();
    }
    Ok(page)
}

/// The chains of the item's levels, or of one of them, side by side.
fn of_item(
    connection: &Connection,
    item: ItemId,
    store: Option<&StoreId>,
    sequences: &RangeInclusive<u64>,
    see: &mut impl FnMut(Movement) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let mut next = BinaryHeap::new();
    for level in chain::levels(connection, item)? {
        if store.is_none_or(|store| level.store_id == store.as_str()) {
            next.extend(chain::last_until(connection, level.moved, *sequences.end())?);
        }
    }
    while let Some(sequence) = next.pop()
        && sequence >= *sequences.start()
        && let Some(movement) = movement(connection, sequence)?
    {
        next.extend(movement.previous);
        if see(movement).is_break() {
            break;
        }
    }
    Ok(())
}

/// By the index of orders.
fn of_order(
    connection: &Connection,
    order: &OrderId,
    sequences: &RangeInclusive<u64>,
    see: &mut impl FnMut(Movement) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let (least, greatest) = ends(sequences);
    each(connection, &statement(OF_ORDER), (least, greatest, order.as_str()), see)
}

/// By the index of stores.
fn of_store(
    connection: &Connection,
    store: &StoreId,
    sequences: &RangeInclusive<u64>,
    see: &mut impl FnMut(Movement) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let (least, greatest) = ends(sequences);
    each(connection, &statement(OF_STORE), (least, greatest, store.as_str()), see)
}

/// The whole ledger.
fn of_all(
    connection: &Connection,
    sequences: &RangeInclusive<u64>,
    see: &mut impl FnMut(Movement) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    each(connection, &statement(OF_ALL), ends(sequences), see)
}

/// The movement of a sequence that a chain names.
pub(crate) fn movement(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<Movement>> {
    let statement = format!("SELECT {COLUMNS} FROM movements WHERE sequence = ?1");
    connection.prepare_cached(&statement)?.query_row([sequence.cast_signed()], read).optional()
}

const COLUMNS: &str =
    "sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change, quantity, reserved,
    version, previous, reason, reference, actor, order_id, reservation_id, command_id";
const OF_ALL: &str = "sequence BETWEEN ?1 AND ?2";
const OF_ORDER: &str = "sequence BETWEEN ?1 AND ?2 AND order_id = ?3";
const OF_STORE: &str = "sequence BETWEEN ?1 AND ?2 AND store_id = ?3";

fn statement(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM movements WHERE {condition} ORDER BY sequence DESC")
}

fn ends(sequences: &RangeInclusive<u64>) -> (i64, i64) {
    let signed = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
    (signed(*sequences.start()), signed(*sequences.end()))
}

/// Row by row, as long as they are wanted.
fn each(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    see: &mut impl FnMut(Movement) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        if see(read(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Movement> {
    let previous: Option<i64> = row.get("previous")?;
    Ok(Movement {
        sequence: counter(row, "sequence")?,
        occurred_at: moment(row, "occurred_at")?,
        kind: row.get("type")?,
        item_id: id(row, "item_id")?.expect("item_id is NOT NULL"),
        sku: String::new(),
        store_id: row.get("store_id")?,
        quantity_change: row.get("quantity_change")?,
        reserved_change: row.get("reserved_change")?,
        quantity: row.get("quantity")?,
        reserved: row.get("reserved")?,
        version: counter(row, "version")?,
        previous: previous.map(i64::cast_unsigned),
        reason: row.get("reason")?,
        reference: row.get("reference")?,
        actor: row.get("actor")?,
        order_id: row.get("order_id")?,
        reservation_id: id(row, "reservation_id")?,
        command_id: id(row, "command_id")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema;

    fn plan(condition: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection);
        schema::plan(&connection, &statement(condition))
    }

    #[test]
    fn each_way_follows_an_index_in_the_order_of_the_answer() {
        for (condition, index) in [
            (OF_ALL, "USING INTEGER PRIMARY KEY"),
            (OF_ORDER, "USING INDEX movements_by_order (order_id=? AND rowid>? AND rowid<?)"),
            (OF_STORE, "USING INDEX movements_by_store (store_id=? AND rowid>? AND rowid<?)"),
        ] {
            let plan = plan(condition);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{condition}: {plan}");
        }
    }
}
