//! What could not be processed: kept as it came, with its reason, and in its place in the journal's order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka::Record;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::id::{CommandId, DeadLetterId};
use shared::message::DecodeError;

/// Why a message went there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is no request.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// It is older than outcomes are kept, so nobody can know whether it was applied before.
    #[error("accepted at {accepted_at}, longer ago than outcomes are kept")]
    TooOld {
        /// When command-service accepted it.
        accepted_at: Timestamp,
    },
    /// It failed each time it was tried.
    #[error("failed {attempts} times, last with: {error}")]
    RetriesExhausted {
        /// How often.
        attempts: u32,
        /// The last error.
        error: String,
    },
}

impl Reason {
    /// The codes that are not those of [`DecodeError`], for the docs.
    pub const CODES: [&'static str; 2] = ["TOO_OLD", "RETRIES_EXHAUSTED"];

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(error) => error.code(),
            Self::TooOld { .. } => "TOO_OLD",
            Self::RetriesExhausted { .. } => "RETRIES_EXHAUSTED",
        }
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Undecodable(_) | Self::TooOld { .. } => 1,
            Self::RetriesExhausted { attempts, .. } => *attempts,
        }
    }
}

/// One dead letter to keep.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// [`DeadLetterId::of`] its origin.
    pub id: DeadLetterId,
    /// Its place in the journal.
    pub sequence: u64,
    /// Why.
    pub reason: &'a Reason,
    /// The command, if the message was one.
    pub command_id: Option<CommandId>,
    /// The topic that it was on.
    pub topic: &'a str,
    /// The log's number.
    pub log: i64,
    /// The message.
    pub record: &'a Record,
    /// The writer's clock.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct StoredHeader<'a>(&'a str, Option<String>);

/// Keeps it.
pub fn insert(connection: &Connection, letter: &DeadLetter<'_>) -> rusqlite::Result<()> {
    let headers: Vec<StoredHeader<'_>> = letter
        .record
        .headers
        .iter()
        .map(|(name, value)| StoredHeader(name, value.as_ref().map(|value| STANDARD.encode(value))))
        .collect();
    let headers = serde_json::to_string(&headers).expect("text always serialises");
    connection
        .prepare_cached(
            "INSERT INTO dead_letters (dead_letter_id, sequence, code, detail, attempts, command_id, origin_topic,
                origin_partition, origin_offset, log, key, value, headers, occurred_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            letter.id.uuid(),
            letter.sequence,
            letter.reason.code(),
            letter.reason.to_string(),
            letter.reason.attempts(),
            letter.command_id.map(CommandId::uuid),
            letter.topic,
            letter.record.partition,
            letter.record.offset,
            letter.log,
            letter.record.key.as_deref(),
            letter.record.value.as_deref(),
            headers,
            letter.at.millis(),
        ])
        .map(|_| ())
}

/// A dead letter that is kept already.
#[derive(Debug)]
pub struct Known {
    /// Its place in the journal.
    pub sequence: u64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Known {
    /// Whether it is this message.
    pub fn is_of(&self, record: &Record) -> bool {
        self.key.as_deref() == record.key.as_deref() && self.value.as_deref() == record.value.as_deref()
    }
}

/// The dead letter with this id, if there is one.
pub fn find(connection: &Connection, id: DeadLetterId) -> rusqlite::Result<Option<Known>> {
    connection
        .prepare_cached("SELECT sequence, key, value FROM dead_letters WHERE dead_letter_id = ?1")?
        .query_row([id.uuid()], |row| Ok(Known { sequence: row.get(0)?, key: row.get(1)?, value: row.get(2)? }))
        .optional()
}

/// Keeps, beside a dead letter, why it could not reach the topic.
pub fn note_unpublishable(connection: &Connection, sequence: u64, reason: &str) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE dead_letters SET publish_error = ?2 WHERE sequence = ?1", params![sequence, reason])
        .map(|_| ())
}

/// The headers as they were, from the column.
pub fn stored_headers(text: &str) -> Vec<kafka::Header> {
    let stored: Vec<(String, Option<String>)> = serde_json::from_str(text).unwrap_or_default();
    stored
        .into_iter()
        .map(|(name, value)| (name.into(), value.and_then(|value| STANDARD.decode(value).ok()).map(Into::into)))
        .collect()
}
