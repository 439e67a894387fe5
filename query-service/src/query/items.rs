//! One item and its levels, and all of them.

use rusqlite::{Connection, OptionalExtension, Row};
use shared::id::ItemId;
use shared::price::{AmountMinor, Currency, Price};
use shared::read_model::{StoredItem, StoredLevel};

use super::{counter, id, moment, unreadable};

macro_rules! items {
    ($which:literal) => {
        concat!(
            "SELECT i.item_id, i.sku, i.name, i.description, i.version, i.category, i.price_minor, i.currency,
                    i.low_stock_threshold, i.created_at, i.updated_at, l.store_id, l.quantity, l.reserved,
                    l.own_threshold, l.version AS level_version, l.updated_at AS level_updated_at,
                    (SELECT coalesce(max(sequence), 0) FROM journal) AS as_of
             FROM items i LEFT JOIN stock_levels l ON l.item_id = i.item_id ",
            $which
        )
    };
}

const ITEM: &str = items!("WHERE i.item_id = ?1 AND i.deleted = 0 ORDER BY l.store_id");
// With the sign, items are read in the order of their ids, as their levels are, and not by the index of names.
const ALL: &str = items!("WHERE +i.deleted = 0 ORDER BY i.item_id, l.store_id");

/// `None` for an item that never was or was deleted.
pub(crate) fn item(connection: &Connection, id: ItemId) -> rusqlite::Result<Option<StoredItem>> {
    let mut statement = connection.prepare_cached(ITEM)?;
    let mut rows = statement.query([id.uuid().as_bytes()])?;
    let mut found: Option<StoredItem> = None;
    while let Some(row) = rows.next()? {
        let level = level(row)?;
        let item = match &mut found {
            Some(item) => item,
            None => found.insert(without_levels(row, id)?),
        };
        item.levels.extend(level);
    }
    Ok(found)
}

/// Every one, in the order of their ids.
pub(crate) fn all(connection: &Connection, mut each: impl FnMut(&StoredItem)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut last: Option<StoredItem> = None;
    while let Some(row) = rows.next()? {
        let id = id(row, "item_id")?.expect("item_id is NOT NULL");
        if last.as_ref().is_none_or(|item| item.id != id) {
            last.replace(without_levels(row, id)?).iter().for_each(&mut each);
        }
        let level = level(row)?;
        last.as_mut().expect("it was put there").levels.extend(level);
    }
    last.iter().for_each(each);
    Ok(())
}

/// How many there are.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT items FROM progress")?.query_row([], |row| counter(row, "items"))
}

/// The SKU of an item that is or was; `None` for one that never was.
pub(crate) fn sku(connection: &Connection, id: ItemId) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT sku FROM items WHERE item_id = ?1")?;
    statement.query_row([id.as_bytes()], |row| row.get("sku")).optional()
}

fn without_levels(row: &Row<'_>, id: ItemId) -> rusqlite::Result<StoredItem> {
    Ok(StoredItem {
        id,
        sku: row.get("sku")?,
        name: row.get("name")?,
        description: row.get("description")?,
        version: counter(row, "version")?,
        category: row.get("category")?,
        price: price(row)?,
        low_stock_threshold: row.get("low_stock_threshold")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
        levels: Vec::new(),
        as_of: counter(row, "as_of")?,
    })
}

fn price(row: &Row<'_>) -> rusqlite::Result<Option<Price>> {
    let Some(currency) = row.get::<_, Option<String>>("currency")? else { return Ok(None) };
    let currency = Currency::parse(&currency).map_err(unreadable)?;
    let amount_minor = AmountMinor::parse(row.get("price_minor")?).map_err(unreadable)?;
    Ok(Some(Price { amount_minor, currency }))
}

fn level(row: &Row<'_>) -> rusqlite::Result<Option<StoredLevel>> {
    let Some(store_id) = row.get("store_id")? else { return Ok(None) };
    Ok(Some(StoredLevel {
        store_id,
        quantity: row.get("quantity")?,
        reserved: row.get("reserved")?,
        low_stock_threshold: row.get("own_threshold")?,
        version: counter(row, "level_version")?,
        updated_at: moment(row, "level_updated_at")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema;

    #[test]
    fn all_items_and_their_levels_are_each_passed_once_and_not_sorted() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection);
        let plan = schema::plan(&connection, ALL);
        assert!(plan.starts_with("SCAN i\n") && plan.contains("SEARCH l USING PRIMARY KEY"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
