//! One item and its levels.

use rusqlite::{Connection, Row};
use shared::id::ItemId;

use super::{counter, moment};
use crate::document::{Document, Level};

const DOCUMENT: &str = "
    SELECT i.sku, i.name, i.description, i.version, i.created_at, i.updated_at,
           l.store_id, l.quantity, l.reserved, l.version AS level_version, l.updated_at AS level_updated_at
    FROM items i LEFT JOIN stock_levels l ON l.item_id = i.item_id
    WHERE i.item_id = ?1 AND i.deleted = 0";

/// `None` for an item that never was or was deleted.
pub(crate) fn document(connection: &Connection, id: ItemId) -> rusqlite::Result<Option<Document>> {
    let mut statement = connection.prepare_cached(DOCUMENT)?;
    let mut rows = statement.query([id.uuid().as_bytes()])?;
    let mut found: Option<Document> = None;
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

fn item(row: &Row<'_>, id: ItemId) -> rusqlite::Result<Document> {
    Ok(Document {
        id,
        sku: row.get("sku")?,
        name: row.get("name")?,
        description: row.get("description")?,
        version: counter(row, "version")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
        levels: Vec::new(),
    })
}

fn level(row: &Row<'_>) -> rusqlite::Result<Option<Level>> {
    let Some(store_id) = row.get("store_id")? else { return Ok(None) };
    Ok(Some(Level {
        store_id,
        quantity: row.get("quantity")?,
        reserved: row.get("reserved")?,
        version: counter(row, "level_version")?,
        updated_at: moment(row, "level_updated_at")?,
    }))
}
