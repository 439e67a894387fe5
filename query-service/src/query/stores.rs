//! Stores, of which a merchant has not so many that a list of them would need pages.

use rusqlite::{Connection, OptionalExtension, Row};
use shared::read_model::StoredStore;
use shared::text::StoreId;

use super::{counter, moment};

/// `None` for one that does not exist.
pub(crate) fn store(connection: &Connection, id: &StoreId) -> rusqlite::Result<Option<StoredStore>> {
    let mut statement = connection.prepare_cached(
        "SELECT store_id, name, location, active, version, created_at, updated_at FROM stores WHERE store_id = ?1",
    )?;
    statement.query_row([id.as_str()], read).optional()
}

/// Every one, in the order of their ids.
pub(crate) fn stores(connection: &Connection) -> rusqlite::Result<Vec<StoredStore>> {
    let mut statement = connection.prepare_cached(
        "SELECT store_id, name, location, active, version, created_at, updated_at FROM stores ORDER BY store_id",
    )?;
    let stores = statement.query_map([], read)?;
    stores.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredStore> {
    Ok(StoredStore {
        store_id: row.get("store_id")?,
        name: row.get("name")?,
        location: row.get("location")?,
        active: row.get("active")?,
        version: counter(row, "version")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
    })
}
