//! How far each log has been applied.

use rusqlite::Connection;
use shared::token::ConsistencyToken;

/// One log that the listener knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) log_id: String,
    /// Everything below it has been applied; 0 if nothing has.
    pub(crate) next_offset: i64,
    /// Another log has taken its place, so no write of it is still to come.
    pub(crate) is_superseded: bool,
}

impl LogPosition {
    /// Whether what `token` names has been applied, or never will be.
    pub(crate) fn satisfies(&self, token: &ConsistencyToken) -> bool {
        self.log_id == token.log.as_str() && (self.is_superseded || self.next_offset > token.offset)
    }
}

/// Every log, of which there are few.
pub(crate) fn positions(connection: &Connection) -> rusqlite::Result<Vec<LogPosition>> {
    let mut statement = connection.prepare_cached(
        "SELECT log_id, coalesce(next_offset, 0) AS next_offset, superseded_at IS NOT NULL AS is_superseded FROM logs",
    )?;
    let positions = statement.query_map([], |row| {
        Ok(LogPosition {
            log_id: row.get("log_id")?,
            next_offset: row.get("next_offset")?,
            is_superseded: row.get("is_superseded")?,
        })
    })?;
    positions.collect()
}
