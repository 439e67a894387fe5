//! What changed, in order.

use rusqlite::{Connection, OptionalExtension};
use shared::id::{CommandId, ItemId};
use shared::read_model;

use super::{counter, id, moment};

/// One entry of the journal, as far as a reader of documents cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    /// `None` for a dead letter.
    pub(crate) item_id: Option<ItemId>,
    /// `None` for a dead letter that named no command.
    pub(crate) command_id: Option<CommandId>,
}

/// 0 for an empty journal.
pub(crate) fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(sequence), 0) AS last FROM journal")?;
    statement.query_row([], |row| counter(row, "last"))
}

/// At most `limit` entries after `sequence`, in order.
pub(crate) fn changes_after(connection: &Connection, sequence: u64, limit: u32) -> rusqlite::Result<Vec<Change>> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, item_id, command_id FROM journal WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let changes = statement.query_map((sequence.cast_signed(), limit), |row| {
        let (item_id, command_id) = (id(row, "item_id")?, id(row, "command_id")?);
        Ok(Change { sequence: counter(row, "sequence")?, item_id, command_id })
    })?;
    changes.collect()
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
