//! The planted fault `skip-position`: as if the position were kept only for show.

use rusqlite::{Connection, params};

use super::{CurrentLog, LogError};

/// Goes on at the log's end, wherever the last one stopped.
#[expect(clippy::unnecessary_wraps, reason = "it stands in for the function at whose beginning it is called")]
pub(super) fn begin_at_the_end(log: &mut CurrentLog, high: i64) -> Result<(), LogError> {
    log.next_offset = Some(high);
    Ok(())
}

/// Moves the position, whoever has moved it meanwhile.
pub(super) fn advance(connection: &Connection, log: &CurrentLog, next_offset: i64) -> rusqlite::Result<bool> {
    let rows =
        connection.execute("UPDATE logs SET next_offset = ?1 WHERE log = ?2", params![next_offset, log.number])?;
    Ok(rows == 1)
}
