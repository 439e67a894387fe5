//! Items and levels in the tables, and those that the writer still knows from before.
//!
//! What is remembered from an earlier transaction may be out of date if anybody else wrote. An update notices, for it
//! names the version that was read; a rejection changes no row and so is decided again on what is read afresh.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use shared::clock::Timestamp;
use shared::id::ItemId;
use shared::message::{Fact, LevelAfter};
use shared::text::{Sku, StoreId};

use crate::domain::{Aggregate, Change, Item, Level};

/// Some 200 bytes each, so at most about 10 MB.
const REMEMBERED: usize = 50_000;

/// The row was not at the version that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

#[derive(Debug)]
struct Entry {
    aggregate: Aggregate,
    transaction: u64,
}

/// Aggregates by id, as the writer last saw them.
#[derive(Debug, Default)]
pub struct Aggregates {
    entries: HashMap<ItemId, Entry>,
    transaction: u64,
}

impl Aggregates {
    /// A transaction begins: what is remembered is from before it.
    pub fn begin(&mut self) {
        self.transaction += 1;
        if self.entries.len() > REMEMBERED {
            self.entries.clear();
        }
    }

    /// The transaction was rolled back: what is remembered may never have been.
    pub fn forget(&mut self) {
        self.entries.clear();
    }

    /// As remembered, else as read; and whether it was read in this transaction.
    pub fn load(&mut self, connection: &Connection, id: ItemId) -> rusqlite::Result<(&mut Aggregate, bool)> {
        let transaction = self.transaction;
        let entry = match self.entries.entry(id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Entry { aggregate: read(connection, id)?, transaction })
            }
        };
        let fresh = entry.transaction == transaction;
        Ok((&mut entry.aggregate, fresh))
    }

    /// As it is in the tables now.
    pub fn reload(&mut self, connection: &Connection, id: ItemId) -> rusqlite::Result<&mut Aggregate> {
        let entry = Entry { aggregate: read(connection, id)?, transaction: self.transaction };
        Ok(&mut self.entries.entry(id).insert_entry(entry).into_mut().aggregate)
    }
}

fn read(connection: &Connection, id: ItemId) -> rusqlite::Result<Aggregate> {
    let item = connection
        .prepare_cached("SELECT sku, version, deleted FROM items WHERE item_id = ?1")?
        .query_row([id.uuid()], |row| Ok(Item { sku: code(row, 0)?, version: row.get(1)?, deleted: row.get(2)? }))
        .optional()?;
    if item.is_none() {
        return Ok(Aggregate::default());
    }
    let mut statement = connection
        .prepare_cached("SELECT store_id, quantity, reserved, version FROM stock_levels WHERE item_id = ?1")?;
    let levels = statement.query_map([id.uuid()], |row| {
        let store: StoreId = code(row, 0)?;
        Ok((store, Level { quantity: row.get(1)?, reserved: row.get(2)?, version: row.get(3)? }))
    })?;
    Ok(Aggregate { item, levels: levels.collect::<Result<_, _>>()? })
}

fn code<Kind>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<shared::text::Code<Kind>> {
    let text: String = row.get(column)?;
    shared::text::Code::parse(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Writes what `change` says. The row must be at the version before it.
pub fn store(connection: &Connection, change: &Change, at: Timestamp) -> rusqlite::Result<Result<(), Stale>> {
    let version = change.version;
    let rows = match &change.fact {
        Fact::ItemCreated(item) => {
            let description = item.description.as_ref().map(shared::text::Description::as_str);
            let values = params![
                item.item_id.uuid(),
                item.sku.as_str(),
                item.name.as_str(),
                description,
                version,
                at.millis(),
                version - 1,
            ];
            let rows = connection.prepare_cached(CREATE_ITEM)?.execute(values)?;
            index_terms(connection, item.item_id, &item.sku, Some(item.name.as_str()))?;
            rows
        }
        Fact::ItemUpdated(item) => {
            let description = item.description.as_ref().map(shared::text::Description::as_str);
            let values =
                params![item.item_id.uuid(), item.name.as_str(), description, version, at.millis(), version - 1];
            let rows = connection.prepare_cached(UPDATE_ITEM)?.execute(values)?;
            index_terms(connection, item.item_id, &item.sku, Some(item.name.as_str()))?;
            rows
        }
        Fact::ItemDeleted { item_id, sku } => {
            let values = params![item_id.uuid(), version, at.millis(), version - 1];
            let rows = connection.prepare_cached(DELETE_ITEM)?.execute(values)?;
            index_terms(connection, *item_id, sku, None)?;
            rows
        }
        Fact::StockAdjusted { level, .. } | Fact::StockReserved { level, .. } | Fact::StockReleased { level, .. } => {
            store_level(connection, level, version, at)?
        }
        Fact::CommandRejected { .. } => 1,
    };
    Ok(if rows == 1 { Ok(()) } else { Err(Stale) })
}

/// The first creation inserts; a later one revives the tombstone, if it is at the version before.
const CREATE_ITEM: &str = "
    INSERT INTO items (item_id, sku, name, description, version, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
    ON CONFLICT (item_id) DO UPDATE SET name = ?3, description = ?4, version = ?5, deleted = 0,
        created_at = ?6, updated_at = ?6
    WHERE version = ?7 AND deleted = 1";
const UPDATE_ITEM: &str = "
    UPDATE items SET name = ?2, description = ?3, version = ?4, updated_at = ?5 WHERE item_id = ?1 AND version = ?6";
const DELETE_ITEM: &str = "
    UPDATE items SET deleted = 1, version = ?2, updated_at = ?3 WHERE item_id = ?1 AND version = ?4";
const FIRST_LEVEL: &str = "
    INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const UPDATE_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";

fn store_level(connection: &Connection, level: &LevelAfter, version: u64, at: Timestamp) -> rusqlite::Result<usize> {
    let statement = if version == 1 { FIRST_LEVEL } else { UPDATE_LEVEL };
    connection.prepare_cached(statement)?.execute(params![
        level.item_id.uuid(),
        level.store_id.as_str(),
        level.total_quantity,
        level.reserved_total,
        version,
        at.millis(),
    ])
}

/// Replaces what `q` finds the item by; without a name it is not found any more.
fn index_terms(connection: &Connection, id: ItemId, sku: &Sku, name: Option<&str>) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM item_terms WHERE item_id = ?1")?.execute([id.uuid()])?;
    let Some(name) = name else { return Ok(()) };
    let mut insert = connection.prepare_cached("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)")?;
    for term in shared::search::terms(sku.as_str(), name) {
        insert.execute(params![term, id.uuid()])?;
    }
    Ok(())
}
