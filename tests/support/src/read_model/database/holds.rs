//! Reservations, stores, and the sums over all stock, worked out from the rows.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use shared::clock::Timestamp;
use shared::id::Id;
use shared::price::Currency;
use shared::read_model::{StoredLine, StoredReservation, StoredStore, StoredSummary, StoredValue};
use shared::reservation::ReservationStatus;
use uuid::Uuid;

use super::all;

pub(super) fn reservations(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, StoredReservation>> {
    let mut lines: BTreeMap<u64, Vec<StoredLine>> = BTreeMap::new();
    let sql = "SELECT reservation, item_id, sku, quantity, confirmed, released
               FROM reservation_lines JOIN items USING (item_id) ORDER BY reservation, line";
    for (number, line) in all(snapshot, sql, |row| {
        let line = StoredLine {
            item_id: Id::from_uuid(row.get(1)?),
            sku: row.get(2)?,
            quantity: row.get(3)?,
            confirmed: row.get(4)?,
            released: row.get(5)?,
        };
        Ok((row.get(0)?, line))
    })? {
        lines.entry(number).or_default().push(line);
    }
    let sql = "SELECT number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at,
                      ended_at, version
               FROM reservations";
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let found = all(snapshot, sql, |row| {
        let (number, id): (u64, Uuid) = (row.get(0)?, row.get(1)?);
        let status: String = row.get(6)?;
        let reservation = StoredReservation {
            id: Id::from_uuid(id),
            status: ReservationStatus::parse(&status).expect("a CHECK names the statuses"),
            store_id: row.get(2)?,
            customer_id: row.get(3)?,
            order_id: row.get(4)?,
            simple: row.get(5)?,
            lines: lines.get(&number).cloned().unwrap_or_default(),
            created_at: Timestamp::from_millis(row.get(7)?),
            expires_at: time(row.get(8)?),
            ended_at: time(row.get(9)?),
            version: row.get(10)?,
            number,
            as_of: 0,
        };
        Ok((id.to_string(), reservation))
    })?;
    Ok(found.into_iter().collect())
}

pub(super) fn stores(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, StoredStore>> {
    let sql = "SELECT store_id, name, location, active, version, created_at, updated_at FROM stores";
    let found = all(snapshot, sql, |row| {
        let store = StoredStore {
            store_id: row.get(0)?,
            name: row.get(1)?,
            location: row.get(2)?,
            active: row.get(3)?,
            version: row.get(4)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            updated_at: Timestamp::from_millis(row.get(6)?),
        };
        Ok((store.store_id.clone(), store))
    })?;
    Ok(found.into_iter().collect())
}

/// From the levels, not from the counters that the projector reads.
pub(super) fn summary(snapshot: &Transaction<'_>, sequence: u64) -> rusqlite::Result<StoredSummary> {
    let mut value: BTreeMap<String, i128> = BTreeMap::new();
    let sql = "SELECT currency, quantity, price_minor FROM items JOIN stock_levels USING (item_id)
               WHERE deleted = 0 AND currency IS NOT NULL";
    for (currency, quantity, price) in
        all(snapshot, sql, |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?
    {
        *value.entry(currency).or_default() += i128::from(quantity) * i128::from(price);
    }
    let value = value.into_iter().filter(|(_, amount)| *amount > 0).map(|(currency, amount)| StoredValue {
        currency: Currency::parse(&currency).expect("the writer writes codes of ISO 4217"),
        amount_minor: amount.to_string(),
    });
    let sums =
        "SELECT (SELECT count(*) FROM items WHERE deleted = 0), coalesce(sum(quantity), 0), coalesce(sum(reserved), 0)
                FROM stock_levels";
    snapshot.query_row(sums, [], |row| {
        let (items, units, reserved) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(StoredSummary { items, units, reserved, value: value.collect(), sequence })
    })
}
