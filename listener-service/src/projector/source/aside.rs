//! Stores, and the sums over all stock.

use rusqlite::{OptionalExtension, Row, params};
use shared::clock::Timestamp;
use shared::price::Currency;
use shared::read_model::{StoreAsOf, StoredStore, StoredSummary, StoredValue};
use shared::text::StoreId;

use super::Snapshot;

/// The most stores that one call fills in.
const STORES_AT_ONCE: usize = 200;

impl Snapshot<'_> {
    pub(super) fn store(&self, id: &StoreId, last: u64) -> rusqlite::Result<Option<StoreAsOf>> {
        self.0
            .prepare_cached(&format!("{STORE} WHERE store_id = ?1"))?
            .query_row([id.as_str()], |row| store_as_of(row, last))
            .optional()
    }

    /// The next stores in the order of their ids, bounded.
    pub(in super::super) fn stores_after(&self, after: &str, last: u64) -> rusqlite::Result<Vec<StoreAsOf>> {
        let mut statement =
            self.0.prepare_cached(&format!("{STORE} WHERE store_id > ?1 ORDER BY store_id LIMIT ?2"))?;
        let stores = statement.query_map(params![after, STORES_AT_ONCE], |row| store_as_of(row, last))?;
        stores.collect()
    }

    pub(in super::super) fn summary(&self, last: u64) -> rusqlite::Result<StoredSummary> {
        let mut statement = self
            .0
            .prepare_cached("SELECT currency, amount_minor FROM stock_value WHERE amount_minor <> '0' ORDER BY 1")?;
        let value = statement.query_map([], |row| {
            let currency = Currency::parse(&row.get::<_, String>(0)?);
            let currency = currency.map_err(|error| crate::aggregates::unreadable(0, error))?;
            Ok(StoredValue { currency, amount_minor: row.get(1)? })
        })?;
        let value = value.collect::<rusqlite::Result<_>>()?;
        self.0.prepare_cached("SELECT items, units, reserved FROM progress")?.query_row([], |row| {
            Ok(StoredSummary { items: row.get(0)?, units: row.get(1)?, reserved: row.get(2)?, value, sequence: last })
        })
    }
}

const STORE: &str = "SELECT store_id, name, location, active, version, created_at, updated_at FROM stores";

fn store_as_of(row: &Row<'_>, as_of: u64) -> rusqlite::Result<StoreAsOf> {
    let store = StoredStore {
        store_id: row.get(0)?,
        name: row.get(1)?,
        location: row.get(2)?,
        active: row.get(3)?,
        version: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        updated_at: Timestamp::from_millis(row.get(6)?),
    };
    Ok(StoreAsOf { store, as_of })
}
