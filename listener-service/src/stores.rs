//! Stores in the table.

use rusqlite::{Connection, OptionalExtension, params};
use shared::clock::Timestamp;
use shared::message::StoreDetails;
use shared::text::{Location, StoreId};

use crate::aggregates::Stale;
use crate::domain::Store;

/// The store, if there is one.
pub fn find(connection: &Connection, id: &StoreId) -> rusqlite::Result<Option<Store>> {
    connection
        .prepare_cached("SELECT active, version FROM stores WHERE store_id = ?1")?
        .query_row([id.as_str()], |row| Ok(Store { active: row.get(0)?, version: row.get(1)? }))
        .optional()
}

/// Writes it as it is at `version`; the row must be at the version before.
pub fn store(
    connection: &Connection,
    details: &StoreDetails,
    version: u64,
    at: Timestamp,
) -> rusqlite::Result<Result<(), Stale>> {
    let statement = if version == 1 {
        "INSERT INTO stores (store_id, name, location, active, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE stores SET name = ?2, location = ?3, active = ?4, version = ?5, updated_at = ?6
         WHERE store_id = ?1 AND version = ?5 - 1"
    };
    let location = details.location.as_ref().map(Location::as_str);
    let id = details.store_id.as_str();
    let values = params![id, details.name.as_str(), location, details.active, version, at.millis()];
    let rows = connection.prepare_cached(statement)?.execute(values)?;
    Ok(if rows == 1 { Ok(()) } else { Err(Stale) })
}
