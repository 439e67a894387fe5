//! One item and its levels.

use rusqlite::{Connection, OptionalExtension, Row};
use shared::id::ItemId;
use shared::price::{AmountMinor, Currency, Price};
use shared::read_model::{StoredItem, StoredLevel};

use super::{counter, moment, unreadable};

const ITEM: &str = "
    SELECT i.sku, i.name, i.description, i.version, i.category, i.price_minor, i.currency, i.low_stock_threshold,
           i.created_at, i.updated_at, l.store_id, l.quantity, l.reserved, l.own_threshold, l.version AS level_version,
           l.updated_at AS level_updated_at, (SELECT coalesce(max(sequence), 0) FROM journal) AS as_of
    FROM items i LEFT JOIN stock_levels l ON l.item_id = i.item_id
    WHERE i.item_id = ?1 AND i.deleted = 0 ORDER BY l.store_id";

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
