//! The tables that the journal gives: what is so, and how it came to be.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use shared::id::{CommandId, EventId, ItemId, ReservationId};

use super::{all, id, optional_id};
use crate::checker::fact::Price;

/// An item at a store.
pub(in crate::checker) type Key = (ItemId, String);

/// As stored, or as rebuilt.
#[derive(Default)]
pub(in crate::checker) struct State {
    pub items: BTreeMap<ItemId, Item>,
    /// By item and the sequence of its creation: the sequence of its deletion.
    pub lives: BTreeMap<(ItemId, i64), Option<i64>>,
    pub levels: BTreeMap<Key, Level>,
    /// By sequence.
    pub movements: BTreeMap<i64, Movement>,
    pub stores: BTreeMap<String, Store>,
    pub reservations: BTreeMap<ReservationId, Reservation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checker) struct Item {
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub price: Option<Price>,
    pub low_stock_threshold: Option<i64>,
    pub version: i64,
    pub deleted: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::checker) struct Level {
    pub quantity: i64,
    pub reserved: i64,
    pub version: i64,
    pub updated_at: i64,
    pub own_threshold: Option<i64>,
    pub threshold: Option<i64>,
    pub moved: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checker) struct Movement {
    pub occurred_at: i64,
    pub kind: String,
    pub item_id: ItemId,
    pub store_id: String,
    pub quantity_change: i64,
    pub reserved_change: i64,
    pub quantity: i64,
    pub reserved: i64,
    pub version: i64,
    pub previous: Option<i64>,
    pub jump: Option<i64>,
    pub reason: Option<String>,
    pub reference: Option<String>,
    pub actor: String,
    pub order_id: Option<String>,
    pub reservation_id: Option<ReservationId>,
    pub command_id: Option<CommandId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checker) struct Store {
    pub name: String,
    pub location: Option<String>,
    pub active: bool,
    pub version: i64,
    /// `None` where no fact says.
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checker) struct Reservation {
    pub number: i64,
    pub store_id: String,
    pub customer_id: Option<String>,
    pub order_id: Option<String>,
    pub simple: bool,
    pub status: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub deadline_by: Option<EventId>,
    pub ended_at: Option<i64>,
    pub version: i64,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checker) struct Line {
    pub item_id: ItemId,
    pub store_id: String,
    pub simple: bool,
    pub quantity: i64,
    pub confirmed: i64,
    pub released: i64,
}

impl Level {
    /// Units for sale.
    pub(in crate::checker) const fn available(&self) -> i64 {
        self.quantity.saturating_sub(self.reserved)
    }

    /// Whether no more is available than its threshold.
    pub(in crate::checker) fn is_low(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.available() <= threshold)
    }
}

impl Line {
    /// Units that are neither issued nor given back.
    pub(in crate::checker) const fn left(&self) -> i64 {
        self.quantity.saturating_sub(self.confirmed).saturating_sub(self.released)
    }
}

impl Reservation {
    /// Whether it has not ended.
    pub(in crate::checker) fn is_pending(&self) -> bool {
        self.status == "pending"
    }

    /// Units that no line has issued or given back.
    pub(in crate::checker) fn left(&self) -> i64 {
        self.lines.iter().map(Line::left).sum()
    }
}

impl State {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            items: items(connection)?,
            lives: lives(connection)?,
            levels: levels(connection)?,
            movements: movements(connection)?,
            stores: stores(connection)?,
            reservations: reservations(connection)?,
        })
    }
}

fn items(connection: &Connection) -> rusqlite::Result<BTreeMap<ItemId, Item>> {
    let sql = "SELECT item_id, sku, name, description, version, deleted, created_at, updated_at, category, price_minor,
                   currency, low_stock_threshold FROM items";
    let item = |row: &Row<'_>| {
        let (amount, currency): (Option<i64>, Option<String>) = (row.get(9)?, row.get(10)?);
        let item = Item {
            sku: row.get(1)?,
            name: row.get(2)?,
            description: row.get(3)?,
            category: row.get(8)?,
            price: amount.zip(currency).map(|(amount_minor, currency)| Price { amount_minor, currency }),
            low_stock_threshold: row.get(11)?,
            version: row.get(4)?,
            deleted: row.get(5)?,
            created_at: row.get(6)?,
            updated_at: row.get(7)?,
        };
        Ok((id(row, 0)?, item))
    };
    Ok(all(connection, sql, item)?.into_iter().collect())
}

fn lives(connection: &Connection) -> rusqlite::Result<BTreeMap<(ItemId, i64), Option<i64>>> {
    let life = |row: &Row<'_>| Ok(((id(row, 0)?, row.get(1)?), row.get(2)?));
    Ok(all(connection, "SELECT item_id, created, deleted FROM item_lives", life)?.into_iter().collect())
}

fn levels(connection: &Connection) -> rusqlite::Result<BTreeMap<Key, Level>> {
    let sql = "SELECT item_id, store_id, quantity, reserved, version, updated_at, own_threshold, threshold, moved
               FROM stock_levels";
    let level = |row: &Row<'_>| {
        let level = Level {
            quantity: row.get(2)?,
            reserved: row.get(3)?,
            version: row.get(4)?,
            updated_at: row.get(5)?,
            own_threshold: row.get(6)?,
            threshold: row.get(7)?,
            moved: row.get(8)?,
        };
        Ok(((id(row, 0)?, row.get(1)?), level))
    };
    Ok(all(connection, sql, level)?.into_iter().collect())
}

fn movements(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Movement>> {
    let sql =
        "SELECT sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change, quantity, reserved,
                   version, previous, jump, reason, reference, actor, order_id, reservation_id, command_id
               FROM movements";
    let movement = |row: &Row<'_>| {
        let movement = Movement {
            occurred_at: row.get(1)?,
            kind: row.get(2)?,
            item_id: id(row, 3)?,
            store_id: row.get(4)?,
            quantity_change: row.get(5)?,
            reserved_change: row.get(6)?,
            quantity: row.get(7)?,
            reserved: row.get(8)?,
            version: row.get(9)?,
            previous: row.get(10)?,
            jump: row.get(11)?,
            reason: row.get(12)?,
            reference: row.get(13)?,
            actor: row.get(14)?,
            order_id: row.get(15)?,
            reservation_id: optional_id(row, 16)?,
            command_id: optional_id(row, 17)?,
        };
        Ok((row.get(0)?, movement))
    };
    Ok(all(connection, sql, movement)?.into_iter().collect())
}

fn stores(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Store>> {
    let store = |row: &Row<'_>| {
        let store = Store {
            name: row.get(1)?,
            location: row.get(2)?,
            active: row.get(3)?,
            version: row.get(4)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
        };
        Ok((row.get(0)?, store))
    };
    let sql = "SELECT store_id, name, location, active, version, created_at, updated_at FROM stores";
    Ok(all(connection, sql, store)?.into_iter().collect())
}

fn reservations(connection: &Connection) -> rusqlite::Result<BTreeMap<ReservationId, Reservation>> {
    let sql = "SELECT reservation, item_id, store_id, simple, quantity, confirmed, released FROM reservation_lines
               ORDER BY reservation, line";
    let line = |row: &Row<'_>| {
        let line = Line {
            item_id: id(row, 1)?,
            store_id: row.get(2)?,
            simple: row.get(3)?,
            quantity: row.get(4)?,
            confirmed: row.get(5)?,
            released: row.get(6)?,
        };
        Ok((row.get(0)?, line))
    };
    let mut lines: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
    for (number, line) in all(connection, sql, line)? {
        lines.entry(number).or_default().push(line);
    }
    let sql = "SELECT reservation_id, number, store_id, customer_id, order_id, simple, status, created_at, expires_at,
                   deadline_by, ended_at, version
               FROM reservations";
    let reservation = |row: &Row<'_>| {
        let number = row.get(1)?;
        let reservation = Reservation {
            number,
            store_id: row.get(2)?,
            customer_id: row.get(3)?,
            order_id: row.get(4)?,
            simple: row.get(5)?,
            status: row.get(6)?,
            created_at: row.get(7)?,
            expires_at: row.get(8)?,
            deadline_by: optional_id(row, 9)?,
            ended_at: row.get(10)?,
            version: row.get(11)?,
            lines: lines.remove(&number).unwrap_or_default(),
        };
        Ok((id(row, 0)?, reservation))
    };
    Ok(all(connection, sql, reservation)?.into_iter().collect())
}
