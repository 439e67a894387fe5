//! What changed, in order.

use rusqlite::{Connection, OptionalExtension};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::read_model;

use super::{aggregate, counter, id, moment};

/// One entry of the journal, as far as a reader of documents cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    /// What it is about; a rejection changed nothing of it. `None` for a dead letter.
    pub(crate) of: Option<AggregateId>,
    /// `None` for a dead letter that named no command.
    pub(crate) command_id: Option<CommandId>,
}

/// 0 for an empty journal.
pub(crate) fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(sequence), 0) AS last FROM journal")?;
    statement.query_row([], |row| counter(row, "last"))
}

/// When the last entry was made; `None` for an empty journal.
pub(crate) fn last_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    match last_sequence(connection)? {
        0 => Ok(None),
        last => time_of(connection, last),
    }
}

/// When the last entry up to `sequence` was made.
pub(crate) fn time_of(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = connection
        .prepare_cached("SELECT occurred_at FROM journal WHERE sequence <= ?1 ORDER BY sequence DESC LIMIT 1")?;
    statement.query_row([sequence.cast_signed()], |row| moment(row, "occurred_at")).optional()
}

/// The last sequence whose entry was made at `time` or before; 0 if there is none. The writer's clock never goes back and
/// sequences have no gaps, so half of what is left is ruled out with each look.
pub(crate) fn last_until(connection: &Connection, time: Timestamp) -> rusqlite::Result<u64> {
    let (mut until, mut after) = (0, last_sequence(connection)? + 1);
    while after - until > 1 {
        let middle = until + (after - until) / 2;
        if time_of(connection, middle)?.is_some_and(|made| made > time) {
            after = middle;
        } else {
            until = middle;
        }
    }
    Ok(until)
}

/// At most `limit` entries after `sequence`, in order.
pub(crate) fn changes_after(connection: &Connection, sequence: u64, limit: u32) -> rusqlite::Result<Vec<Change>> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, aggregate, aggregate_id, command_id FROM journal WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let changes = statement.query_map((sequence.cast_signed(), limit), |row| {
        Ok(Change { sequence: counter(row, "sequence")?, of: aggregate(row)?, command_id: id(row, "command_id")? })
    })?;
    changes.collect()
}

/// Each item that an entry after `sequence` is about.
pub(crate) fn items_changed_after(connection: &Connection, sequence: u64) -> rusqlite::Result<Vec<ItemId>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT aggregate_id FROM journal
         WHERE sequence > ?1 AND aggregate = 0 AND aggregate_id IS NOT NULL",
    )?;
    let items = statement.query_map([sequence.cast_signed()], |row| {
        Ok(id(row, "aggregate_id")?.expect("entries without one are left out"))
    })?;
    items.collect()
}

/// Moves when another connection has committed since this one looked last (see `PRAGMA data_version`).
pub(crate) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// What stands at this sequence, as a model that claims to be of it must say ([`read_model::tip`]).
pub(crate) fn tip(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<String>> {
    if sequence == 0 {
        return Ok(Some(String::new()));
    }
    let mut statement =
        connection.prepare_cached("SELECT command_id, fact_index, occurred_at FROM journal WHERE sequence = ?1")?;
    let entry = statement.query_row([sequence.cast_signed()], |row| {
        Ok(read_model::tip(id(row, "command_id")?, row.get("fact_index")?, moment(row, "occurred_at")?))
    });
    entry.optional()
}
