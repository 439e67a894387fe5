//! Items and levels in the tables, and those that the writer still knows from before.
//!
//! What is remembered from an earlier transaction may be out of date if anybody else wrote. An update notices, for it
//! names the version that was read; a rejection changes no row and so is decided again on what is read afresh.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::message::{Fact, ItemDetails, LevelAfter};
use shared::price::{AmountMinor, Currency, Price, PriceError};
use shared::quantity::Quantity;
use shared::text::{Category, Description, StoreId};

use crate::domain::{Aggregate, ByStore, Change, Item, Level};
use crate::movements::{self, Head, Movement};

/// Items and levels, 190 bytes each where an item has one level, so about 20 MB.
const REMEMBERED: usize = 100_000;

/// The row was not at the version that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

#[derive(Debug)]
struct Entry {
    aggregate: Aggregate,
    /// The last movement of each of its levels.
    heads: ByStore<Head>,
    transaction: u64,
}

impl Entry {
    fn size(&self) -> usize {
        1 + self.heads.len()
    }
}

/// Aggregates by id, as the writer last saw them.
#[derive(Debug, Default)]
pub struct Aggregates {
    entries: HashMap<ItemId, Entry>,
    /// How many items and levels the entries have.
    remembered: usize,
    transaction: u64,
}

impl Aggregates {
    /// A transaction begins: what is remembered is from before it.
    pub fn begin(&mut self) {
        self.transaction += 1;
        if self.remembered > REMEMBERED {
            self.forget();
        }
    }

    /// The transaction was rolled back: what is remembered may never have been.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.remembered = 0;
    }

    /// Has all of these, as remembered or else as read, and says whether each was read in this transaction.
    pub fn load(&mut self, connection: &Connection, ids: &[ItemId]) -> rusqlite::Result<bool> {
        let mut fresh = true;
        for &id in ids {
            if let Some(entry) = self.entries.get(&id) {
                fresh &= entry.transaction == self.transaction;
            } else {
                self.reload(connection, &[id])?;
            }
        }
        Ok(fresh)
    }

    /// Has all of these as they are in the tables now.
    pub fn reload(&mut self, connection: &Connection, ids: &[ItemId]) -> rusqlite::Result<()> {
        for &id in ids {
            let (aggregate, heads) = read(connection, id)?;
            let entry = Entry { aggregate, heads, transaction: self.transaction };
            self.remembered += entry.size();
            if let Some(replaced) = self.entries.insert(id, entry) {
                self.remembered -= replaced.size();
            }
        }
        Ok(())
    }

    /// One of those that were loaded.
    pub fn get(&self, id: ItemId) -> &Aggregate {
        &self.entries.get(&id).expect("a decision loads what it is about").aggregate
    }

    /// Writes what `change` says of an item or of a level, and remembers it. The row must be at the version before.
    pub fn store(&mut self, connection: &Connection, step: &Step<'_>) -> rusqlite::Result<Result<(), Stale>> {
        let Some(id) = step.change.fact.aggregate().item() else { return Ok(Ok(())) };
        let entry = self.entries.get_mut(&id).expect("a decision loads what it is about");
        let fact = &step.change.fact;
        let Some(after) = fact.level().filter(|_| fact.moves_level()) else {
            entry.aggregate.evolve(step.change);
            return store_item(connection, step);
        };
        let before = Held::of(&entry.aggregate, &after.store_id);
        entry.aggregate.evolve(step.change);
        let now = Held::of(&entry.aggregate, &after.store_id);
        if store_level(connection, after, (before, now), step)? != 1 {
            return Ok(Err(Stale));
        }
        let movement = Movement {
            sequence: step.sequence,
            at: step.at,
            kind: step.kind,
            fact,
            after,
            before: before.level,
            version: now.level.version,
            actor: step.actor,
            command_id: step.command_id,
        };
        let head = movements::append(connection, &movement, entry.heads.get(&after.store_id).copied())?;
        if entry.heads.insert(after.store_id.clone(), head).is_none() {
            self.remembered += 1;
        }
        Ok(Ok(()))
    }
}

/// A change on its way into the tables.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What happened.
    pub change: &'a Change,
    /// Its place in the journal.
    pub sequence: u64,
    /// The writer's clock.
    pub at: Timestamp,
    /// The event type of the fact that tells why.
    pub kind: &'a str,
    /// Who asked.
    pub actor: &'a str,
    /// The command behind it; none for an expiry.
    pub command_id: Option<CommandId>,
}

fn read(connection: &Connection, id: ItemId) -> rusqlite::Result<(Aggregate, ByStore<Head>)> {
    let item = connection
        .prepare_cached(
            "SELECT sku, version, deleted, price_minor, currency, low_stock_threshold FROM items WHERE item_id = ?1",
        )?
        .query_row([id.uuid()], item)
        .optional()?;
    if item.is_none() {
        return Ok((Aggregate::default(), ByStore::default()));
    }
    let mut statement = connection.prepare_cached(
        "SELECT l.store_id, l.quantity, l.reserved, l.version, l.own_threshold, l.moved, m.jump
         FROM stock_levels l LEFT JOIN movements m ON m.sequence = l.moved WHERE l.item_id = ?1",
    )?;
    let (mut levels, mut heads) = (ByStore::default(), ByStore::default());
    let mut rows = statement.query([id.uuid()])?;
    while let Some(row) = rows.next()? {
        let store: StoreId = code(row, 0)?;
        let level = Level {
            quantity: row.get(1)?,
            reserved: row.get(2)?,
            version: row.get(3)?,
            low_stock_threshold: row.get(4)?,
        };
        if let Some(sequence) = row.get(5)? {
            heads.insert(store.clone(), Head { sequence, jump: row.get(6)? });
        }
        levels.insert(store, level);
    }
    Ok((Aggregate { item, levels }, heads))
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        sku: code(row, 0)?,
        version: row.get(1)?,
        deleted: row.get(2)?,
        price: price(row, 3)?,
        low_stock_threshold: row.get(5)?,
    })
}

/// A price, from the columns `price_minor` and, behind it, `currency`.
pub fn price(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Price>> {
    let amount: Option<i64> = row.get(column)?;
    let currency: Option<String> = row.get(column + 1)?;
    let price = amount.zip(currency).map(|(amount, currency)| {
        Ok(Price { amount_minor: AmountMinor::parse(amount)?, currency: Currency::parse(&currency)? })
    });
    price.transpose().map_err(|error: PriceError| unreadable(column, error))
}

/// A column that holds a SKU or a store's id.
pub fn code<Kind>(row: &Row<'_>, column: usize) -> rusqlite::Result<shared::text::Code<Kind>> {
    let text: String = row.get(column)?;
    shared::text::Code::parse(&text).map_err(|error| unreadable(column, error))
}

/// A column whose text breaks the rule of its type.
pub fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

/// Facts that are no change of the catalogue change no row.
fn store_item(connection: &Connection, step: &Step<'_>) -> rusqlite::Result<Result<(), Stale>> {
    let (fact, version) = (&step.change.fact, step.change.version);
    let rows = if let Fact::ItemCreated(details) | Fact::ItemUpdated(details) = fact {
        let is_creation = matches!(fact, Fact::ItemCreated(_));
        let statement = if is_creation { CREATE_ITEM } else { UPDATE_ITEM };
        let values = params![
            details.item_id.uuid(),
            details.sku.as_str(),
            details.name.as_str(),
            details.description.as_ref().map(Description::as_str),
            details.category.as_ref().map(Category::as_str),
            details.price.map(|price| price.amount_minor.minor()),
            details.price.map(|price| price.currency.code()),
            details.low_stock_threshold.map(Quantity::units),
            version,
            step.at.millis(),
            step.sequence,
        ];
        let taken = if is_creation { values } else { &values[..10] };
        let rows = connection.prepare_cached(statement)?.execute(taken)?;
        inherit_threshold(connection, details)?;
        index(connection, details.item_id, Some(details))?;
        if is_creation {
            connection
                .prepare_cached("INSERT INTO item_lives (item_id, created) VALUES (?1, ?2)")?
                .execute(params![details.item_id.uuid(), step.sequence])?;
        }
        rows
    } else if let Fact::ItemDeleted { item_id, .. } = fact {
        index(connection, *item_id, None)?;
        connection
            .prepare_cached("UPDATE item_lives SET deleted = ?2 WHERE item_id = ?1 AND deleted IS NULL")?
            .execute(params![item_id.uuid(), step.sequence])?;
        connection.prepare_cached(DELETE_ITEM)?.execute(params![item_id.uuid(), version, step.at.millis()])?
    } else {
        1
    };
    Ok(if rows == 1 { Ok(()) } else { Err(Stale) })
}

/// The first creation inserts; a later one revives the tombstone, if it is at the version before.
const CREATE_ITEM: &str = "
    INSERT INTO items (item_id, sku, name, description, category, price_minor, currency, low_stock_threshold, version,
        created_at, updated_at, number)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)
    ON CONFLICT (item_id) DO UPDATE SET name = ?3, description = ?4, category = ?5, price_minor = ?6, currency = ?7,
        low_stock_threshold = ?8, version = ?9, deleted = 0, created_at = ?10, updated_at = ?10
    WHERE version = ?9 - 1 AND deleted = 1";
/// A SKU never changes, so that to set it changes nothing; the number stays.
const UPDATE_ITEM: &str = "
    UPDATE items SET sku = ?2, name = ?3, description = ?4, category = ?5, price_minor = ?6, currency = ?7,
        low_stock_threshold = ?8, version = ?9, updated_at = ?10
    WHERE item_id = ?1 AND version = ?9 - 1";
const DELETE_ITEM: &str = "
    UPDATE items SET deleted = 1, version = ?2, updated_at = ?3 WHERE item_id = ?1 AND version = ?2 - 1";
const FIRST_LEVEL: &str = "
    INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at, own_threshold, threshold, moved,
        is_low, is_reserved)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
const UPDATE_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6, own_threshold = ?7,
        threshold = ?8, moved = ?9
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";
/// Only this one touches the indexes of levels that are low or reserved.
const MARK_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6, own_threshold = ?7,
        threshold = ?8, moved = ?9, is_low = ?10, is_reserved = ?11
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";

/// A level with the threshold that it is held to.
#[derive(Debug, Clone, Copy)]
struct Held {
    level: Level,
    threshold: Option<i64>,
}

impl Held {
    fn of(aggregate: &Aggregate, store: &StoreId) -> Self {
        let level = aggregate.level(store);
        Self { level, threshold: aggregate.threshold(level) }
    }

    fn is_low(self) -> bool {
        self.threshold.is_some_and(|threshold| threshold >= self.level.available())
    }

    const fn is_reserved(self) -> bool {
        self.level.reserved > 0
    }
}

fn store_level(
    connection: &Connection,
    after: &LevelAfter,
    (before, now): (Held, Held),
    step: &Step<'_>,
) -> rusqlite::Result<usize> {
    let (is_low, is_reserved) = (now.is_low(), now.is_reserved());
    let is_marked_so = (before.is_low(), before.is_reserved()) == (is_low, is_reserved);
    let values = params![
        after.item_id.uuid(),
        after.store_id.as_str(),
        now.level.quantity,
        now.level.reserved,
        now.level.version,
        step.at.millis(),
        now.level.low_stock_threshold,
        now.threshold,
        step.sequence,
        is_low,
        is_reserved,
    ];
    let (statement, taken) = match now.level.version {
        1 => (FIRST_LEVEL, values),
        _ if is_marked_so => (UPDATE_LEVEL, &values[..9]),
        _ => (MARK_LEVEL, values),
    };
    connection.prepare_cached(statement)?.execute(taken)
}

/// The item's threshold applies to those of its levels that have none of their own.
fn inherit_threshold(connection: &Connection, details: &ItemDetails) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE stock_levels SET threshold = ?2, is_low = coalesce(?2 >= quantity - reserved, 0)
             WHERE item_id = ?1 AND own_threshold IS NULL",
        )?
        .execute(params![details.item_id.uuid(), details.low_stock_threshold.map(Quantity::units)])
}

/// Replaces what `q` and `search` find the item by; without details it is not found any more.
fn index(connection: &Connection, id: ItemId, details: Option<&ItemDetails>) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM item_terms WHERE item_id = ?1")?.execute([id.uuid()])?;
    connection
        .prepare_cached("DELETE FROM item_search WHERE rowid = (SELECT number FROM items WHERE item_id = ?1)")?
        .execute([id.uuid()])?;
    let Some(details) = details else { return Ok(()) };
    let (sku, name) = (details.sku.as_str(), details.name.as_str());
    let mut insert = connection.prepare_cached("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)")?;
    for term in shared::search::terms(sku, name) {
        insert.execute(params![term, id.uuid()])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO item_search (rowid, sku, name, description)
             VALUES ((SELECT number FROM items WHERE item_id = ?1), ?2, ?3, ?4)",
        )?
        .execute(params![id.uuid(), sku, name, details.description.as_ref().map(Description::as_str)])
        .map(drop)
}
