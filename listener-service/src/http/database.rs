//! `GET /monitoring/database`.

use std::path::Path;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::docs::{AnyProblem, Invalid, Unavailable};
use shared::http::params::Params;
use shared::problem::Problem;

use super::Monitor;

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database {
    #[schema(example = "data/inventory.db")]
    path: String,
    #[schema(example = "3.53.0")]
    sqlite_version: &'static str,
    /// Of the database file.
    #[schema(example = 1_048_576)]
    size_bytes: u64,
    /// Of the write-ahead log beside it.
    #[schema(example = 4_152_992)]
    wal_bytes: u64,
    /// Of the schema, as docs/SCHEMA.md numbers it.
    #[schema(example = 2)]
    schema_version: i64,
    /// How long the last checkpoint took; null before the first.
    #[schema(example = 3.5)]
    last_checkpoint_ms: Option<f64>,
}

/// The database file as it is now.
#[utoipa::path(get, path = "/monitoring/database", tag = "monitoring", responses(
    (status = 200, description = "The database", body = Database), Invalid, Unavailable, AnyProblem))]
pub(super) async fn database(
    State(monitor): State<Monitor>,
    RawQuery(query): RawQuery,
) -> Result<Json<Database>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    let path = monitor.path.clone();
    let last_checkpoint_ms = monitor.status.last_checkpoint().map(|took| took.as_secs_f64() * 1000.0);
    let database = monitor
        .read(move |connection| {
            let schema_version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            let mut wal = path.clone().into_os_string();
            wal.push("-wal");
            Ok(Database {
                sqlite_version: rusqlite::version(),
                size_bytes: size(&path),
                wal_bytes: size(Path::new(&wal)),
                schema_version,
                last_checkpoint_ms,
                path: path.display().to_string(),
            })
        })
        .await?;
    Ok(Json(database))
}

/// By `stat` alone: opening and closing the file ourselves would drop SQLite's locks on it.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
