//! What went in and out is what is there: sums over the journal in SQL, independent of the replay.

use rusqlite::Connection;
use shared::id::ItemId;

use super::Report;
use super::database::{all, id};

const PER_LEVEL: &str = "
    WITH changes AS (
        SELECT item_id, message ->> '$.data.storeId' AS store_id,
            sum(iif(event_type = 'StockAdjusted', message ->> '$.data.adjustment', 0)) AS on_hand,
            sum(CASE event_type
                WHEN 'StockReserved' THEN message ->> '$.data.reservedQuantity'
                WHEN 'StockReleased' THEN -(message ->> '$.data.releasedQuantity')
                ELSE 0 END) AS held
        FROM journal WHERE event_type IN ('StockAdjusted', 'StockReserved', 'StockReleased') GROUP BY 1, 2
    )
    SELECT coalesce(c.item_id, l.item_id), coalesce(c.store_id, l.store_id), c.on_hand, c.held, l.quantity, l.reserved
    FROM changes c FULL JOIN stock_levels l ON l.item_id = c.item_id AND l.store_id = c.store_id
    WHERE c.on_hand IS NOT l.quantity OR c.held IS NOT l.reserved";

const IN_TOTAL: &str = "
    SELECT (SELECT coalesce(sum(message ->> '$.data.adjustment'), 0) FROM journal WHERE event_type = 'StockAdjusted'),
           (SELECT coalesce(sum(quantity), 0) FROM stock_levels)";

/// Per level, and in total.
pub(super) fn check(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let shown = |units: Option<i64>| units.map_or("nothing".to_owned(), |units| units.to_string());
    let levels = all(connection, PER_LEVEL, |row| {
        let (item, store): (ItemId, Option<String>) = (id(row, 0)?, row.get(1)?);
        let store = store.unwrap_or_default();
        let (on_hand, held) = (shown(row.get(2)?), shown(row.get(3)?));
        let (quantity, reserved) = (shown(row.get(4)?), shown(row.get(5)?));
        Ok(format!(
            "{item} at {store}: changes add up to {on_hand} on hand and {held} held, stored are {quantity} and {reserved}"
        ))
    })?;
    report.conservation.extend(levels);
    let (changes, stored): (i64, i64) = connection.query_row(IN_TOTAL, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if changes != stored {
        report.conservation.push(format!("in total: changes add up to {changes}, stored are {stored}"));
    }
    Ok(())
}
