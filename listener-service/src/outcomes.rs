//! What became of each command, and which command an idempotency key stands for.
//!
//! A command that has an outcome is never decided again, however often it is sent or read.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, DeadLetterId, IdempotencyId};
use shared::outcome::{OutcomeStatus, RejectionCode};

/// How many journal entries are looked at in one round of forgetting.
const PURGE_AT_ONCE: u64 = 1000;

/// How a command ended.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// Done; the version of the aggregate that it changed.
    Applied {
        /// Of the item, the level, the reservation or the store, after it.
        version: u64,
    },
    /// A business rule said no.
    Rejected {
        /// Which.
        code: RejectionCode,
        /// In words.
        detail: &'a str,
    },
    /// It could not be processed.
    DeadLettered {
        /// The message kept.
        id: DeadLetterId,
        /// Why.
        code: &'a str,
        /// In words.
        detail: &'a str,
    },
}

/// One outcome to record.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// Of which command.
    pub command_id: CommandId,
    /// The request's `eventType`.
    pub event_type: &'a str,
    /// What was asked of.
    pub of: &'a AggregateId,
    /// Of its last journal entry.
    pub sequence: u64,
    /// The writer's clock.
    pub at: Timestamp,
    /// If the command carried a key.
    pub idempotency_id: Option<IdempotencyId>,
    /// How it ended.
    pub ending: Ending<'a>,
}

/// Whether the command has ended already.
pub fn is_known(connection: &Connection, command_id: CommandId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM outcomes WHERE command_id = ?1")?.exists([command_id.uuid()])
}

/// The command that a key stands for: the first one that came with it, which is `command_id` if none did before.
pub fn claim_key(connection: &Connection, key: IdempotencyId, command_id: CommandId) -> rusqlite::Result<CommandId> {
    let owner = connection
        .prepare_cached("SELECT command_id FROM idempotency_keys WHERE idempotency_id = ?1")?
        .query_row([key.uuid()], |row| row.get(0).map(CommandId::from_uuid))
        .optional()?;
    if let Some(owner) = owner {
        return Ok(owner);
    }
    connection
        .prepare_cached("INSERT INTO idempotency_keys (idempotency_id, command_id) VALUES (?1, ?2)")?
        .execute(params![key.uuid(), command_id.uuid()])?;
    Ok(command_id)
}

/// Records how a command ended.
pub fn record(connection: &Connection, outcome: &Outcome<'_>) -> rusqlite::Result<()> {
    let (status, version, code, detail, dead_letter) = match outcome.ending {
        Ending::Applied { version } => (OutcomeStatus::Applied, Some(version), None, None, None),
        Ending::Rejected { code, detail } => (OutcomeStatus::Rejected, None, Some(code.as_str()), Some(detail), None),
        Ending::DeadLettered { id, code, detail } => {
            (OutcomeStatus::DeadLettered, None, Some(code), Some(detail), Some(id.uuid()))
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at, code,
                detail, dead_letter_id, idempotency_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            outcome.command_id.uuid(),
            status.as_str(),
            outcome.event_type,
            outcome.of.kind().number(),
            outcome.of.bytes(),
            version,
            outcome.sequence,
            outcome.at.millis(),
            code,
            detail,
            dead_letter,
            outcome.idempotency_id.map(IdempotencyId::uuid),
        ])
        .map(|_| ())
}

/// Forgets outcomes and keys that are older than the retention, in the order of the journal: no index by time is
/// needed. Returns whether there may be more.
pub fn purge(connection: &Connection, now: Timestamp, retention: Duration) -> rusqlite::Result<bool> {
    let oldest_kept = now.plus_millis(-i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)).millis();
    let from: u64 = connection.query_row("SELECT purged FROM progress", [], |row| row.get(0))?;
    let through: Option<u64> = connection
        .prepare_cached(
            "SELECT max(sequence) FROM (SELECT sequence, occurred_at FROM journal WHERE sequence > ?1
                ORDER BY sequence LIMIT ?2) WHERE occurred_at < ?3",
        )?
        .query_row(params![from, PURGE_AT_ONCE, oldest_kept], |row| row.get(0))?;
    let Some(through) = through else { return Ok(false) };
    let old = "SELECT command_id FROM journal WHERE sequence > ?1 AND sequence <= ?2 AND command_id IS NOT NULL";
    connection.execute(
        &format!(
            "DELETE FROM idempotency_keys WHERE (idempotency_id, command_id) IN
                (SELECT idempotency_id, command_id FROM outcomes WHERE command_id IN ({old}))"
        ),
        [from, through],
    )?;
    connection.execute(&format!("DELETE FROM outcomes WHERE command_id IN ({old})"), [from, through])?;
    connection.execute("UPDATE progress SET purged = ?1", [through])?;
    Ok(through - from == PURGE_AT_ONCE)
}
