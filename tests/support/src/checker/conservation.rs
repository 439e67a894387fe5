//! What went in and out is what is there: sums over the journal in SQL, independent of the replay.

use rusqlite::{Connection, Row};
use shared::id::ItemId;

use super::Report;
use super::database::{all, id};

/// Every step of a level as the journal tells it: where, by how much, and of which kind. A command that transfers or counts
/// says so by another fact beside its changes.
const STEPS: &str = "
    facts AS MATERIALIZED (
        SELECT sequence, event_type, aggregate_id, command_id, message FROM journal WHERE json_valid(message)
    ),
    wholes AS MATERIALIZED (
        SELECT command_id, max(event_type) AS whole FROM facts
        WHERE event_type IN ('StockTransferred', 'StockCounted', 'InventoryItemCreated', 'InventoryItemDeleted')
        GROUP BY command_id
    ),
    steps AS MATERIALIZED (
        SELECT f.sequence, f.command_id, f.aggregate_id AS item_id, f.message ->> '$.data.storeId' AS store_id,
            CASE f.event_type WHEN 'StockAdjusted' THEN coalesce(w.whole, f.event_type) ELSE f.event_type END AS kind,
            CASE f.event_type
                WHEN 'StockAdjusted' THEN f.message ->> '$.data.adjustment'
                WHEN 'StockIssued' THEN -(f.message ->> '$.data.issuedQuantity')
                ELSE 0 END AS on_hand,
            CASE f.event_type
                WHEN 'StockReserved' THEN f.message ->> '$.data.reservedQuantity'
                WHEN 'StockReleased' THEN -(f.message ->> '$.data.releasedQuantity')
                WHEN 'StockIssued' THEN -(f.message ->> '$.data.issuedQuantity')
                ELSE 0 END AS held
        FROM facts f LEFT JOIN wholes w ON w.command_id = f.command_id
        WHERE f.event_type IN ('StockAdjusted', 'StockReserved', 'StockReleased', 'StockIssued', 'StockSettingsChanged')
    )";

const PER_LEVEL: &str = "
    SELECT coalesce(c.item_id, l.item_id), coalesce(c.store_id, l.store_id), c.on_hand, c.held, l.quantity, l.reserved
    FROM (SELECT item_id, store_id, sum(on_hand) AS on_hand, sum(held) AS held FROM steps GROUP BY 1, 2) c
    FULL JOIN stock_levels l ON l.item_id = c.item_id AND l.store_id = c.store_id
    WHERE c.on_hand IS NOT l.quantity OR c.held IS NOT l.reserved";

/// The ledger has the same sums, for each level and kind of movement.
const BY_KIND: &str = "
    SELECT coalesce(c.item_id, m.item_id), coalesce(c.store_id, m.store_id), c.on_hand, c.held, m.on_hand, m.held,
        coalesce(c.kind, m.kind)
    FROM (
        SELECT item_id, store_id, replace(replace(kind, 'InventoryItemCreated', 'StockAdjusted'), 'InventoryItemDeleted',
            'StockAdjusted') AS kind, sum(on_hand) AS on_hand, sum(held) AS held FROM steps GROUP BY 1, 2, 3
    ) c
    FULL JOIN (
        SELECT item_id, store_id, type AS kind, sum(quantity_change) AS on_hand, sum(reserved_change) AS held
        FROM movements GROUP BY 1, 2, 3
    ) m ON m.item_id = c.item_id AND m.store_id = c.store_id AND m.kind = c.kind
    WHERE c.on_hand IS NOT m.on_hand OR c.held IS NOT m.held";

/// Units that leave a store arrive at another.
const TRANSFERS: &str = "
    SELECT min(sequence), sum(on_hand), count(*) FROM steps WHERE kind = 'StockTransferred'
    GROUP BY command_id HAVING sum(on_hand) <> 0 OR count(*) <> 2";

const IN_TOTAL: &str = "
    SELECT
        coalesce(sum(on_hand) FILTER (WHERE kind = 'InventoryItemCreated'), 0),
        coalesce(sum(on_hand) FILTER (WHERE kind = 'StockAdjusted'), 0),
        coalesce(sum(on_hand) FILTER (WHERE kind = 'StockCounted'), 0),
        coalesce(sum(on_hand) FILTER (WHERE kind = 'StockTransferred'), 0),
        -coalesce(sum(on_hand) FILTER (WHERE kind = 'StockIssued'), 0),
        -coalesce(sum(on_hand) FILTER (WHERE kind = 'InventoryItemDeleted'), 0),
        (SELECT coalesce(sum(quantity), 0) FROM stock_levels)
    FROM steps";

/// What is reserved is what pending reservations hold, as the tables have both.
const HELD: &str = "
    SELECT coalesce(h.item_id, l.item_id), coalesce(h.store_id, l.store_id), h.held, l.reserved
    FROM (
        SELECT n.item_id, n.store_id, sum(n.quantity - n.confirmed - n.released) AS held
        FROM reservation_lines n JOIN reservations r ON r.number = n.reservation
        WHERE r.status = 'pending' GROUP BY 1, 2
    ) h
    FULL JOIN stock_levels l ON l.item_id = h.item_id AND l.store_id = h.store_id
    WHERE coalesce(h.held, 0) <> coalesce(l.reserved, 0)";

/// Per level, by kind, and in total.
pub(super) fn check(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let levels = all(connection, &format!("WITH {STEPS} {PER_LEVEL}"), |row| {
        let (place, [on_hand, held, quantity, reserved]) = (place(row)?, shown(row)?);
        Ok(format!(
            "{place}: changes add up to {on_hand} on hand and {held} held, stored are {quantity} and {reserved}"
        ))
    })?;
    report.conservation.extend(levels);
    let kinds = all(connection, &format!("WITH {STEPS} {BY_KIND}"), |row| {
        let (place, kind, [on_hand, held, quantity, reserved]) = (place(row)?, row.get::<_, String>(6)?, shown(row)?);
        Ok(format!(
            "{place}: changes of kind {kind} add up to {on_hand} and {held} held, in the ledger to {quantity} and {reserved}"
        ))
    })?;
    report.conservation.extend(kinds);
    let transfers = all(connection, &format!("WITH {STEPS} {TRANSFERS}"), |row| {
        let (sequence, sum, legs): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("sequence {sequence}: {legs} legs of a transfer add up to {sum}"))
    })?;
    report.conservation.extend(transfers);
    let held = all(connection, HELD, |row| {
        let (held, reserved): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let (held, reserved) = (held.unwrap_or(0), reserved.unwrap_or(0));
        Ok(format!("{}: {reserved} are stored as reserved, pending reservations hold {held}", place(row)?))
    })?;
    report.conservation.extend(held);
    in_total(connection, report)
}

fn in_total(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let [initial, adjusted, counted, transferred, issued, written_off, on_hand] =
        connection.query_row(&format!("WITH {STEPS} {IN_TOTAL}"), [], |row| {
            let mut sums = [0_i64; 7];
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum = row.get(column)?;
            }
            Ok(sums)
        })?;
    if transferred != 0 || initial + adjusted + counted - issued - written_off != on_hand {
        report.conservation.push(format!(
            "in total: {initial} initial, {adjusted} adjusted, {counted} counted, {transferred} transferred, {issued} issued, {written_off} written off, but {on_hand} stored"
        ));
    }
    Ok(())
}

fn place(row: &Row<'_>) -> rusqlite::Result<String> {
    let (item, store): (ItemId, Option<String>) = (id(row, 0)?, row.get(1)?);
    Ok(format!("{item} at {}", store.unwrap_or_default()))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<[String; 4]> {
    let shown = |column: usize| {
        let units: Option<i64> = row.get(column)?;
        Ok::<_, rusqlite::Error>(units.map_or("nothing".to_owned(), |units| units.to_string()))
    };
    Ok([shown(2)?, shown(3)?, shown(4)?, shown(5)?])
}
