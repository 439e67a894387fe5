//! The SQL that this service speaks: one statement a function, all of them reads. docs/SCHEMA.md explains the tables.

pub(crate) mod items;
pub(crate) mod journal;
pub(crate) mod lists;
pub(crate) mod logs;
pub(crate) mod movements;
pub(crate) mod outcomes;
pub(crate) mod overviews;
pub(crate) mod past;
pub(crate) mod reservations;
pub(crate) mod schema;
pub(crate) mod stores;
pub(crate) mod walk;

use rusqlite::Row;
use rusqlite::types::Type;
use shared::aggregate::{AggregateId, AggregateKind};
use shared::clock::Timestamp;
use shared::id::Id;

fn id<Kind>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Id<Kind>>> {
    let bytes: Option<[u8; 16]> = row.get(column)?;
    Ok(bytes.map(|bytes| Id::from_uuid(uuid::Uuid::from_bytes(bytes))))
}

fn counter(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    Ok(number.max(0).cast_unsigned())
}

fn moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// What a row is about; `None` where it is about nothing.
fn aggregate(row: &Row<'_>) -> rusqlite::Result<Option<AggregateId>> {
    let Some(bytes) = row.get::<_, Option<Vec<u8>>>("aggregate_id")? else { return Ok(None) };
    let kind = AggregateKind::from_number(row.get("aggregate")?).expect("a CHECK of the table names the kinds");
    kind.read(&bytes).map(Some).map_err(unreadable)
}

/// A value that a newer writer may know and this program does not.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, Box::new(error))
}

fn optional_moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}
