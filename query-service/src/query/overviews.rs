//! What is told of the whole inventory: low stock, most reserved, and the sums that the writer keeps.

use rusqlite::{Connection, Row};
use shared::price::Currency;
use shared::read_model::{StoredSummary, StoredValue};

use super::{counter, id, unreadable};
use crate::document::overviews::{LowLevel, ReservedItem};

// Of the levels few are low, so they lead.
const LOW_LEVELS: &str = "
    SELECT l.item_id, i.sku, i.name, l.store_id, l.quantity - l.reserved AS available, l.threshold
    FROM stock_levels l CROSS JOIN items i ON i.item_id = l.item_id
    WHERE l.is_low = 1 AND i.deleted = 0 AND (i.sku, l.store_id) > (?1, ?2)
    ORDER BY i.sku, l.store_id LIMIT ?3";

/// At most `limit` levels that are low, in the order of SKU and store, after these two.
pub(crate) fn low_levels(
    connection: &Connection,
    (sku, store): (&str, &str),
    limit: u32,
) -> rusqlite::Result<Vec<LowLevel>> {
    let mut statement = connection.prepare_cached(LOW_LEVELS)?;
    let levels = statement.query_map((sku, store, limit), |row| {
        Ok(LowLevel {
            item_id: id(row, "item_id")?.expect("item_id is NOT NULL"),
            sku: row.get("sku")?,
            name: row.get("name")?,
            store_id: row.get("store_id")?,
            available: row.get("available")?,
            threshold: row.get("threshold")?,
        })
    })?;
    levels.collect()
}

const MOST_RESERVED: &str = "
    SELECT l.item_id, i.sku, i.name, sum(l.reserved) AS reserved
    FROM stock_levels l CROSS JOIN items i ON i.item_id = l.item_id
    WHERE l.is_reserved = 1 AND i.deleted = 0 GROUP BY l.item_id ORDER BY 4 DESC, i.sku LIMIT ?1";

/// At most `limit` items, the most reserved first.
pub(crate) fn most_reserved(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<ReservedItem>> {
    let mut statement = connection.prepare_cached(MOST_RESERVED)?;
    let items = statement.query_map([limit], |row| {
        Ok(ReservedItem {
            item_id: id(row, "item_id")?.expect("item_id is NOT NULL"),
            sku: row.get("sku")?,
            name: row.get("name")?,
            reserved: row.get("reserved")?,
        })
    })?;
    items.collect()
}

/// What is in stock and what it costs.
pub(crate) fn summary(connection: &Connection) -> rusqlite::Result<StoredSummary> {
    let mut statement = connection.prepare_cached(
        "SELECT items, units, reserved, (SELECT coalesce(max(sequence), 0) FROM journal) AS sequence FROM progress",
    )?;
    let value = value(connection)?;
    statement.query_row([], |row| {
        Ok(StoredSummary {
            items: counter(row, "items")?,
            units: row.get("units")?,
            reserved: row.get("reserved")?,
            value,
            sequence: counter(row, "sequence")?,
        })
    })
}

/// By currency, without those of which nothing is left.
fn value(connection: &Connection) -> rusqlite::Result<Vec<StoredValue>> {
    let mut statement = connection
        .prepare_cached("SELECT currency, amount_minor FROM stock_value WHERE amount_minor <> '0' ORDER BY currency")?;
    let read = |row: &Row<'_>| {
        let currency: String = row.get("currency")?;
        let currency = Currency::parse(&currency).map_err(unreadable)?;
        Ok(StoredValue { currency, amount_minor: row.get("amount_minor")? })
    };
    statement.query_map([], read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema;

    #[test]
    fn only_levels_that_are_low_or_have_reserved_units_are_looked_at() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection);
        for (statement, index) in [(LOW_LEVELS, "stock_levels_low"), (MOST_RESERVED, "stock_levels_reserved")] {
            let plan = schema::plan(&connection, statement);
            assert!(plan.contains(&format!("SCAN l USING INDEX {index}")), "{plan}");
            assert!(plan.contains("SEARCH i USING PRIMARY KEY"), "{plan}");
        }
    }
}
