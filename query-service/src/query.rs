//! The SQL that this service speaks: one statement a function, all of them reads. docs/SCHEMA.md explains the tables.

pub(crate) mod documents;
pub(crate) mod journal;
pub(crate) mod lists;
pub(crate) mod logs;
pub(crate) mod outcomes;

use rusqlite::Row;
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
