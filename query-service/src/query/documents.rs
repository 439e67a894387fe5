//! One item and its levels.

use rusqlite::{Connection, Row};
use shared::id::ItemId;
use shared::read_model::{StoredItem, StoredLevel};

use super::{counter, moment};

const DOCUMENT: &str = "
    SELECT i.sku, i.name, i.description, i.version, i.created_at, i.updated_at,
           l.store_id, l.quantity, l.reserved, l.version AS level_version, l.updated_at AS level_updated_at, (SELECT coalesce(max(sequence), 0) FROM journal) AS as_of
    FROM items i LEFT JOIN stock_levels l ON l.item_id = i.item_id
    WHERE i.item_id = ?1 AND i.deleted = 0 ORDER BY l.store_id";

/// `None` for an item that never was or was deleted.
pub(crate) fn document(connection: &Connection, id: ItemId) -> rusqlite::Result<Option<StoredItem>> {
    let mut statement = connection.prepare_cached(DOCUMENT)?;
    let mut rows = statement.query([id.uuid().as_bytes()])?;
    let mut found: Option<StoredItem> = None;
    while let Some(row) = rows.next()? {
        let level = level(row)?;
        let document = match &mut found {
            Some(document) => document,
            None => found.insert(item(row, id)?),
        };
        document.levels.extend(level);
    }
    Ok(found)
}

fn item(row: &Row<'_>, id: ItemId) -> rusqlite::Result<StoredItem> {
    Ok(StoredItem {
        id,
        sku: row.get("sku")?,
        name: row.get("name")?,
        description: row.get("description")?,
        version: counter(row, "version")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
        levels: Vec::new(),
        as_of: counter(row, "as_of")?,
    })
}

fn level(row: &Row<'_>) -> rusqlite::Result<Option<StoredLevel>> {
    let Some(store_id) = row.get("store_id")? else { return Ok(None) };
    Ok(Some(StoredLevel {
        store_id,
        quantity: row.get("quantity")?,
        reserved: row.get("reserved")?,
        version: counter(row, "level_version")?,
        updated_at: moment(row, "level_updated_at")?,
    }))
}
