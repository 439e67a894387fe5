//! `GET /admin/dlq/{id}`.

use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use rusqlite::OptionalExtension;
use serde::Serialize;
use shared::http::docs::{AnyProblem, Invalid, InvalidId, NoSuchDocument, Unavailable};
use shared::http::params::{Params, path_segment};
use shared::id::DeadLetterId;
use shared::problem::{Problem, ProblemCode};

use super::Monitor;
use super::dead_letters::{COLUMNS, DeadLetter, read};
use super::messages::{MessageHeader, headers, text};
use crate::dead_letter::stored_headers;

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeDeadLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    /// As they came.
    headers: Vec<MessageHeader>,
    /// As it came; null for a tombstone; `base64:…` if it is no UTF-8.
    value: Option<String>,
}

/// One dead letter, with the original value and headers.
#[utoipa::path(get, path = "/admin/dlq/{id}", tag = "admin", params(
    ("id" = uuid::Uuid, Path, description = "`deadLetterId`"),
), responses((status = 200, description = "The dead letter", body = WholeDeadLetter),
    InvalidId, NoSuchDocument, Invalid, Unavailable, AnyProblem))]
pub(super) async fn dead_letter(
    State(monitor): State<Monitor>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<WholeDeadLetter>, Problem> {
    let path = path.map_err(|error| Problem::new(ProblemCode::InvalidId, error.to_string()))?;
    let segment = path.iter().next().map_or("", |(_, value)| value);
    let id = path_segment("id", segment, DeadLetterId::parse)?;
    Params::parse(query.as_deref()).finish()?;
    let found = monitor
        .read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS}, d.headers, d.value FROM dead_letters d JOIN logs l USING (log)
                 WHERE d.dead_letter_id = ?1"
            );
            let whole = |row: &rusqlite::Row<'_>| {
                Ok(WholeDeadLetter {
                    letter: read(row)?,
                    headers: headers(&stored_headers(&row.get::<_, String>(14)?)),
                    value: row.get::<_, Option<Vec<u8>>>(15)?.as_deref().map(text),
                })
            };
            connection.query_row(&sql, [id.uuid()], whole).optional()
        })
        .await?;
    found.map(Json).ok_or_else(|| Problem::new(ProblemCode::NotFound, format!("there is no dead letter {id}")))
}
