//! One simple reservation of one unit, as the writer stores it.

use std::collections::HashMap;

use rusqlite::types::Null;
use rusqlite::{Connection, Row, Statement, params};
use uuid::Uuid;

use super::super::statements as sql;
use crate::stock::TRACEPARENT;

const STORE: &str = "main";

/// Each is prepared once.
pub(super) struct Statements<'c> {
    is_known: Statement<'c>,
    find: Statement<'c>,
    item: Statement<'c>,
    levels: Statement<'c>,
    append: Statement<'c>,
    insert: Statement<'c>,
    insert_line: Statement<'c>,
    update_level: Statement<'c>,
    mark_level: Statement<'c>,
    jump: Statement<'c>,
    make_move: Statement<'c>,
    record: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn of(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            is_known: connection.prepare(sql::IS_KNOWN)?,
            find: connection.prepare(sql::FIND)?,
            item: connection.prepare(sql::ITEM)?,
            levels: connection.prepare(sql::LEVELS)?,
            append: connection.prepare(sql::APPEND)?,
            insert: connection.prepare(sql::INSERT)?,
            insert_line: connection.prepare(sql::INSERT_LINE)?,
            update_level: connection.prepare(sql::UPDATE_LEVEL)?,
            mark_level: connection.prepare(sql::MARK_LEVEL)?,
            jump: connection.prepare(sql::JUMP)?,
            make_move: connection.prepare(sql::MOVE)?,
            record: connection.prepare(sql::RECORD)?,
        })
    }
}

/// A level, as the writer remembers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    quantity: i64,
    reserved: i64,
    version: u64,
    moved: i64,
    jump: Option<i64>,
}

/// Who asks, and for what.
pub(super) struct Asked {
    pub(super) item: Uuid,
    pub(super) command: Uuid,
    pub(super) reservation: Uuid,
}

/// What goes on from one reservation to the next.
pub(super) struct Loop<'c> {
    pub(super) statements: Statements<'c>,
    pub(super) levels: HashMap<Uuid, Level>,
    pub(super) log: i64,
    pub(super) next_offset: i64,
    pub(super) sequence: i64,
    pub(super) now: i64,
    pub(super) created: String,
    pub(super) reserved: String,
}

impl Loop<'_> {
    pub(super) fn reserve(&mut self, asked: &Asked) -> rusqlite::Result<()> {
        self.statements.is_known.exists([asked.command])?;
        read(&mut self.statements.find, asked.reservation, 12, |_| Ok(()))?;
        let level = self.level(asked.item)?;
        self.append("ReservationCreated", 1, asked.reservation, asked.command, 0)?;
        self.insert(asked)?;
        self.append("StockReserved", 0, asked.item, asked.command, 1)?;
        let after = self.hold(asked, level)?;
        self.levels.insert(asked.item, after);
        self.record(asked, after.version)?;
        self.next_offset += 1;
        Ok(())
    }

    /// As it is remembered, or else as it is read.
    fn level(&mut self, item: Uuid) -> rusqlite::Result<Level> {
        if let Some(&level) = self.levels.get(&item) {
            return Ok(level);
        }
        read(&mut self.statements.item, item, 6, |_| Ok(()))?;
        let mut found = Err(rusqlite::Error::QueryReturnedNoRows);
        read(&mut self.statements.levels, item, 7, |row| {
            let (quantity, reserved, version) = (row.get(1)?, row.get(2)?, row.get(3)?);
            found = Ok(Level { quantity, reserved, version, moved: row.get(5)?, jump: row.get(6)? });
            Ok(())
        })?;
        found
    }

    fn append(&mut self, event: &str, aggregate: i64, of: Uuid, command: Uuid, index: i64) -> rusqlite::Result<()> {
        self.sequence += 1;
        let message = if aggregate == 1 { &self.created } else { &self.reserved };
        let (sequence, log, offset, now) = (self.sequence, self.log, self.next_offset, self.now);
        self.statements
            .append
            .execute(params![sequence, 1, event, aggregate, of, command, index, log, offset, now, TRACEPARENT, message])
            .map(drop)
    }

    fn insert(&mut self, asked: &Asked) -> rusqlite::Result<()> {
        let (number, now, id) = (self.sequence, self.now, asked.reservation);
        self.statements
            .insert
            .execute(params![number, id, STORE, Null, Null, true, "pending", now, Null, Null, Null])?;
        self.statements.insert_line.execute(params![number, 0, asked.item, STORE, true, 1, 0, 0]).map(drop)
    }

    /// The level, with its movement.
    fn hold(&mut self, asked: &Asked, before: Level) -> rusqlite::Result<Level> {
        let (sequence, now, version) = (self.sequence, self.now, before.version + 1);
        let (item, quantity, reserved) = (asked.item, before.quantity, before.reserved + 1);
        let values = params![item, STORE, quantity, reserved, version, now, Null, Null, sequence, false, true];
        if before.reserved == 0 {
            self.statements.mark_level.execute(values)?;
        } else {
            self.statements.update_level.execute(&values[..9])?;
        }
        let jump = self.jump(&before, version)?;
        self.statements.make_move.execute(params![
            sequence,
            now,
            "StockReserved",
            item,
            STORE,
            0,
            1,
            quantity,
            reserved,
            version,
            before.moved,
            jump,
            Null,
            Null,
            "anonymous",
            Null,
            asked.reservation,
            asked.command,
        ])?;
        Ok(Level { quantity, reserved, version, moved: sequence, jump: Some(jump) })
    }

    /// Where the movement of this version jumps to (Myers 1983), read where the writer reads it.
    fn jump(&mut self, before: &Level, version: u64) -> rusqlite::Result<i64> {
        match before.jump {
            Some(further) if jump_length(version - 1) > 1 => {
                let furthest: Option<i64> = self.statements.jump.query_row([further], |row| row.get(0))?;
                Ok(furthest.unwrap_or(further))
            }
            _ => Ok(before.moved),
        }
    }

    fn record(&mut self, asked: &Asked, version: u64) -> rusqlite::Result<()> {
        let (command, item, sequence, now) = (asked.command, asked.item, self.sequence, self.now);
        let kind = "StockReservationRequested";
        self.statements
            .record
            .execute(params![command, "applied", kind, 0, item, version, sequence, now, Null, Null, Null, Null])
            .map(drop)
    }
}

/// By how many versions a movement jumps back: the smallest of the numbers 2^k − 1 that its depth is the greedy sum of.
fn jump_length(depth: u64) -> u64 {
    let (mut rest, mut length) = (depth, 0);
    while rest > 0 {
        length = ((rest + 2).next_power_of_two() >> 1) - 1;
        rest -= length;
    }
    length
}

/// Reads every column of every row.
fn read(
    statement: &mut Statement<'_>,
    id: Uuid,
    columns: usize,
    mut keep: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        (0..columns).try_for_each(|column| row.get_ref(column).map(drop))?;
        keep(row)?;
    }
    Ok(())
}
