//! The journal: everything that happened, in one order; audit trail, outbox, and the input of every rebuild.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use shared::aggregate::{AggregateId, AggregateKind};
use shared::clock::Timestamp;
use shared::id::CommandId;
use shared::message::Stream;

/// What every entry says of where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The log's number.
    pub log: i64,
    /// Of the request.
    pub offset: i64,
    /// Of the request.
    pub traceparent: Option<&'a str>,
}

/// One entry to append.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its place: one more than the last.
    pub sequence: u64,
    /// Where it is published.
    pub stream: Stream,
    /// `eventType`, or `DeadLettered`.
    pub event_type: &'a str,
    /// What it is about, and the Kafka key; none for a dead letter.
    pub of: Option<&'a AggregateId>,
    /// The command behind it; none for an expiry.
    pub command_id: Option<CommandId>,
    /// Which of the facts that the command or the expiry caused.
    pub fact_index: u32,
    /// Where the request stood; of an expiry, the next request.
    pub origin: Origin<'a>,
    /// The writer's clock.
    pub occurred_at: Timestamp,
    /// As published; none for a dead letter.
    pub message: Option<&'a str>,
}

/// The event type of a dead letter's entry.
pub const DEAD_LETTERED: &str = "DeadLettered";

/// As the table has it.
pub const fn stream_number(stream: Stream) -> i64 {
    match stream {
        Stream::Items => 0,
        Stream::Stock => 1,
        Stream::DeadLetters => 2,
    }
}

/// Appends one entry.
pub fn append(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log,
                log_offset, occurred_at, traceparent, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            entry.sequence,
            stream_number(entry.stream),
            entry.event_type,
            entry.of.map_or(0, |of| of.kind().number()),
            entry.of.map(AggregateId::bytes),
            entry.command_id.map(CommandId::uuid),
            entry.fact_index,
            entry.origin.log,
            entry.origin.offset,
            entry.occurred_at.millis(),
            entry.origin.traceparent,
            entry.message,
        ])
        .map(|_| ())
}

/// The last sequence; 0 in an empty journal.
pub fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT coalesce(max(sequence), 0) FROM journal", [], |row| row.get(0))
}

/// What an entry or an outcome is about, from the columns `aggregate` and, behind it, `aggregate_id`; none for a dead letter.
pub fn aggregate(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<AggregateId>> {
    let kind = AggregateKind::from_number(row.get(column)?).expect("a CHECK of the table names the kinds");
    let bytes: Option<Vec<u8>> = row.get(column + 1)?;
    let id = bytes.map(|bytes| kind.read(&bytes)).transpose();
    id.map_err(|error| rusqlite::Error::FromSqlConversionFailure(column + 1, Type::Blob, Box::new(error)))
}
