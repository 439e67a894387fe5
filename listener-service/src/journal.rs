//! The journal: everything that happened, in one order; audit trail, outbox, and the input of every rebuild.

use rusqlite::{Connection, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
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
    /// The Kafka key; none for a dead letter.
    pub item_id: Option<ItemId>,
    /// The command behind it.
    pub command_id: Option<CommandId>,
    /// Which of the command's facts.
    pub fact_index: u32,
    /// Where the request stood.
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
            "INSERT INTO journal (sequence, stream, event_type, item_id, command_id, fact_index, log, log_offset,
                occurred_at, traceparent, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            entry.sequence,
            stream_number(entry.stream),
            entry.event_type,
            entry.item_id.map(ItemId::uuid),
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
