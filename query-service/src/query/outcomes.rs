//! What became of one command.

use rusqlite::{Connection, OptionalExtension};
use shared::id::CommandId;
use shared::outcome::OutcomeStatus;
use shared::read_model::StoredOutcome;

use super::{aggregate, counter, id, moment};

/// `None` while there is no final outcome, and after its retention.
pub(crate) fn outcome(connection: &Connection, command: CommandId) -> rusqlite::Result<Option<StoredOutcome>> {
    let mut statement = connection.prepare_cached(
        "SELECT status, type, aggregate, aggregate_id, version, sequence, applied_at, code, detail, dead_letter_id
         FROM outcomes WHERE command_id = ?1",
    )?;
    statement
        .query_row([command.uuid().as_bytes()], |row| {
            let status: String = row.get("status")?;
            let version: Option<i64> = row.get("version")?;
            Ok(StoredOutcome {
                status: OutcomeStatus::parse(&status).expect("a CHECK of the table names the statuses"),
                kind: row.get("type")?,
                of: aggregate(row)?,
                version: version.map(i64::cast_unsigned),
                sequence: counter(row, "sequence")?,
                applied_at: moment(row, "applied_at")?,
                code: row.get("code")?,
                detail: row.get("detail")?,
                dead_letter_id: id(row, "dead_letter_id")?,
            })
        })
        .optional()
}
