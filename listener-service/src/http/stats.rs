//! `GET /monitoring/stats`.

use axum::Json;
use axum::extract::{RawQuery, State};
use rusqlite::OptionalExtension;
use serde::Serialize;
use shared::http::docs::{AnyProblem, Invalid, Unavailable};
use shared::http::params::Params;
use shared::problem::Problem;

use super::Monitor;
use crate::status::{LastBatch, ReadModel, Role};

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    writer: Role,
    /// Raised each time another listener takes the lease; 0 before this one had it.
    #[schema(example = 1)]
    epoch: i64,
    /// The last entry of the journal.
    #[schema(example = 42)]
    sequence: u64,
    /// The log that is consumed.
    #[schema(example = "MkU3OEVBNTcwNTJENDM2Qg")]
    log: Option<String>,
    /// The next offset to apply; null if nothing of the log has been.
    #[schema(example = 17)]
    position: Option<i64>,
    /// The offset after the log's last message; null if the broker does not answer.
    #[schema(example = 17)]
    high_watermark: Option<i64>,
    /// Messages that wait to be applied; null if the broker does not answer.
    #[schema(example = 0)]
    lag: Option<i64>,
    /// Null before the first.
    last_batch: Option<LastBatch>,
    outcomes: Outcomes,
    /// Dead letters kept.
    #[schema(example = 0)]
    dead_letters: u64,
    /// Live items.
    #[schema(example = 100)]
    items: u64,
    /// The last journal entry that is on its topic.
    #[schema(example = 42)]
    published: u64,
    /// In Redis; absent if there is none, or if this listener does not project.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_model: Option<ReadModel>,
    /// The cluster's brokers; empty if none answers.
    #[schema(example = json!(["127.0.0.1:9092"]))]
    brokers: Vec<String>,
}

/// Since the database was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Outcomes {
    applied: u64,
    rejected: u64,
    dead_lettered: u64,
}

struct Stored {
    sequence: u64,
    log: Option<(String, Option<i64>)>,
    outcomes: Outcomes,
    dead_letters: u64,
    items: u64,
}

/// Where the writer stands, and what came of all commands so far.
#[utoipa::path(get, path = "/monitoring/stats", tag = "monitoring", responses(
    (status = 200, description = "The writer's state", body = Stats), Invalid, Unavailable, AnyProblem))]
pub(super) async fn stats(State(monitor): State<Monitor>, RawQuery(query): RawQuery) -> Result<Json<Stats>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    let stored = monitor.read(stored).await?;
    let asked = monitor.ask_broker(|reader, timeout| {
        Some((reader.bounds(timeout).ok()?.1, reader.brokers(timeout).unwrap_or_default()))
    });
    let (high_watermark, brokers) = asked.await.map_or((None, Vec::new()), |(high, brokers)| (Some(high), brokers));
    let (writer, epoch) = monitor.status.role();
    let (log, position) = stored.log.map_or((None, None), |(log, position)| (Some(log), position));
    Ok(Json(Stats {
        writer,
        epoch,
        sequence: stored.sequence,
        log,
        position,
        high_watermark,
        lag: high_watermark.map(|high| (high - position.unwrap_or(0)).max(0)),
        last_batch: monitor.status.last_batch(),
        outcomes: stored.outcomes,
        dead_letters: stored.dead_letters,
        items: stored.items,
        published: monitor.status.published(),
        read_model: monitor.status.read_model(),
        brokers,
    }))
}

fn stored(connection: &rusqlite::Connection) -> rusqlite::Result<Stored> {
    let log = connection
        .query_row("SELECT log_id, next_offset FROM logs WHERE superseded_at IS NULL", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    connection.query_row(
        "SELECT (SELECT coalesce(max(sequence), 0) FROM journal), applied, rejected, dead_lettered,
            (SELECT count(*) FROM dead_letters), items FROM progress",
        [],
        |row| {
            Ok(Stored {
                sequence: row.get(0)?,
                log,
                outcomes: Outcomes { applied: row.get(1)?, rejected: row.get(2)?, dead_lettered: row.get(3)? },
                dead_letters: row.get(4)?,
                items: row.get(5)?,
            })
        },
    )
}
