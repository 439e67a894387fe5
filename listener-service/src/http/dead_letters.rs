//! `GET /admin/dlq`.

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::params;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::body::Fault;
use shared::http::docs::{AnyProblem, Invalid, Unavailable};
use shared::http::params::{Params, whole};
use shared::id::{CommandId, DeadLetterId};
use shared::message::DecodeError;
use shared::problem::Problem;

use super::Monitor;
use super::messages::text;
use crate::dead_letter::Reason;

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetters {
    /// Newest first.
    dead_letters: Vec<DeadLetter>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// One message that could not be processed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the field is the contract's")]
pub(super) struct DeadLetter {
    #[schema(value_type = uuid::Uuid)]
    dead_letter_id: DeadLetterId,
    /// Its place in the journal.
    sequence: u64,
    /// Why (docs/ERRORS.md).
    #[schema(example = "MALFORMED_MESSAGE")]
    code: String,
    detail: String,
    /// How often it was tried.
    #[schema(example = 1)]
    attempts: u32,
    /// If the message was a command.
    #[schema(value_type = Option<uuid::Uuid>)]
    command_id: Option<CommandId>,
    origin: Origin,
    /// Null if it has none; `base64:…` if it is no UTF-8.
    key: Option<String>,
    /// Of its value.
    size_bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    dead_lettered_at: Timestamp,
    /// Why it could not be put on the DLQ topic; null if it could, or has yet to be.
    publish_error: Option<String>,
}

/// Where the message stood.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Origin {
    log: String,
    #[schema(example = "inventory.commands")]
    topic: String,
    partition: i32,
    offset: i64,
}

/// What each column list below gives, in this order.
pub(super) const COLUMNS: &str = "d.dead_letter_id, d.sequence, d.code, d.detail, d.attempts, d.command_id, l.log_id,
    d.origin_topic, d.origin_partition, d.origin_offset, d.key, coalesce(length(d.value), 0), d.occurred_at,
    d.publish_error";

/// What could not be processed, newest first.
#[utoipa::path(get, path = "/admin/dlq", tag = "admin", params(
    ("code" = Option<String>, Query, description = "Only those with this code", example = "MALFORMED_MESSAGE"),
    ("limit" = Option<u32>, Query, description = "1 to 200; 50 without it", minimum = 1, maximum = 200, example = 50),
    ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before, with the same `code`"),
), responses((status = 200, description = "The dead letters", body = DeadLetters), Invalid, Unavailable, AnyProblem))]
pub(super) async fn dead_letters(
    State(monitor): State<Monitor>,
    RawQuery(query): RawQuery,
) -> Result<Json<DeadLetters>, Problem> {
    let mut query = Params::parse(query.as_deref());
    let code = query.optional("code", known_code);
    let limit = query.optional("limit", whole(1, 200)).unwrap_or(50);
    let before = query.optional("cursor", |cursor| read_cursor(cursor, code));
    query.finish()?;
    let before = before.unwrap_or(i64::MAX);
    let mut dead_letters = monitor
        .read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM dead_letters d JOIN logs l USING (log)
                 WHERE d.sequence < ?1 AND (?2 IS NULL OR d.code = ?2) ORDER BY d.sequence DESC LIMIT ?3"
            ))?;
            let rows = statement.query_map(params![before, code, limit + 1], read)?;
            rows.collect::<rusqlite::Result<Vec<DeadLetter>>>()
        })
        .await?;
    let more = dead_letters.len() as u64 > limit;
    dead_letters.truncate(usize::try_from(limit).expect("at most 200"));
    let next_cursor = dead_letters.last().filter(|_| more).map(|last| cursor(last.sequence, code));
    Ok(Json(DeadLetters { dead_letters, next_cursor }))
}

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        dead_letter_id: DeadLetterId::from_uuid(row.get(0)?),
        sequence: row.get(1)?,
        code: row.get(2)?,
        detail: row.get(3)?,
        attempts: row.get(4)?,
        command_id: row.get::<_, Option<uuid::Uuid>>(5)?.map(CommandId::from_uuid),
        origin: Origin { log: row.get(6)?, topic: row.get(7)?, partition: row.get(8)?, offset: row.get(9)? },
        key: row.get::<_, Option<Vec<u8>>>(10)?.as_deref().map(text),
        size_bytes: row.get(11)?,
        dead_lettered_at: Timestamp::from_millis(row.get(12)?),
        publish_error: row.get(13)?,
    })
}

fn known_code(text: &str) -> Result<&'static str, Fault> {
    let mut codes = DecodeError::CODES.into_iter().chain(Reason::CODES);
    codes.find(|code| *code == text).ok_or_else(|| Fault("UNKNOWN_CODE", "is no code of a dead letter".to_owned()))
}

fn cursor(sequence: u64, code: Option<&str>) -> String {
    URL_SAFE_NO_PAD.encode(format!("{sequence}:{}", code.unwrap_or_default()))
}

fn read_cursor(text: &str, code: Option<&str>) -> Result<i64, Fault> {
    let fault = || Fault("INVALID_FORMAT", "is no nextCursor of a page with the same filters".to_owned());
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| fault())?;
    let inner = String::from_utf8(bytes).map_err(|_| fault())?;
    let (sequence, bound_to) = inner.split_once(':').ok_or_else(fault)?;
    let sequence: i64 = sequence.parse().map_err(|_| fault())?;
    if bound_to == code.unwrap_or_default() { Ok(sequence) } else { Err(fault()) }
}
