//! Which version of the schema the file has: the number of the migrations that listener-service has run on it.

use rusqlite::Connection;

/// The version that the statements of this program are for.
pub(crate) const VERSION: i64 = 3;

/// The file has another schema than this program reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("it has no tables yet; listener-service makes them at its start")]
    None,
    #[error(
        "its schema has version {0} and this program reads version {VERSION}; listener-service migrates it at its start"
    )]
    Older(i64),
    #[error("its schema has version {0} and this program reads only version {VERSION}; start a newer query-service")]
    Newer(i64),
}

/// `PRAGMA user_version`, which is 0 for an empty file.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))
}

/// Whether this program can read a schema of this version.
pub(crate) fn check(version: i64) -> Result<(), SchemaError> {
    match version {
        VERSION => Ok(()),
        0 => Err(SchemaError::None),
        older if older < VERSION => Err(SchemaError::Older(older)),
        newer => Err(SchemaError::Newer(newer)),
    }
}

/// The tables, as listener-service makes them.
#[cfg(test)]
pub(crate) fn create(connection: &Connection) {
    connection.execute_batch(include_str!("../../../listener-service/src/schema/0001_initial.sql")).unwrap();
    connection.execute_batch(include_str!("../../../listener-service/src/schema/0002_reservations.sql")).unwrap();
    connection
        .execute_batch(include_str!("../../../listener-service/src/schema/0003_cheaper_reservations.sql"))
        .unwrap();
    connection.pragma_update(None, "user_version", VERSION).unwrap();
}

/// How SQLite would run a statement, a step a line.
#[cfg(test)]
pub(crate) fn plan(connection: &Connection, statement: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let parameters = vec![1; statement.parameter_count()];
    let steps =
        statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>("detail")).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}
