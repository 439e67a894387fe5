//! The database, read-only: a small pool of connections that are made when first needed.
//!
//! Every read is one transaction, and says which journal sequence it saw. The file is never created here, and no SQL
//! runs on the runtime's threads.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2d2::{NopErrorHandler, Pool};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::query;
use crate::query::schema::{self, SchemaError};

/// Reads are short and SQLite's readers do not wait for each other, so a few connections carry a lot.
const CONNECTIONS: u32 = 4;
/// A reader in WAL mode is busy only while another process recovers the log.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest that a read waits for its turn, and then for a connection.
const TURN_WAIT: Duration = Duration::from_secs(1);
/// Lists have a statement for each combination of order and filters.
const STATEMENTS: usize = 128;

/// The database cannot be read now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SourceError(pub(crate) String);

impl SourceError {
    pub(crate) fn unreachable() -> Self {
        Self("the database cannot be reached".to_owned())
    }
}

impl From<rusqlite::Error> for SourceError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<SchemaError> for SourceError {
    fn from(error: SchemaError) -> Self {
        Self(error.to_string())
    }
}

/// When a read began, and which state it saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// The greatest journal sequence in the transaction that was read.
    pub(crate) sequence: u64,
    /// Before the transaction.
    pub(crate) began: Instant,
}

/// What a read found.
#[derive(Debug, Clone)]
pub(crate) struct Loaded<T> {
    pub(crate) stamp: Stamp,
    pub(crate) value: T,
}

/// The pool.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pool: Pool<SqliteConnectionManager>,
    // One permit a connection: who waits for a turn waits here, not on a thread.
    turns: Arc<Semaphore>,
}

impl Source {
    /// Connects to nothing yet.
    pub(crate) fn new(path: &Path) -> Self {
        let manager =
            SqliteConnectionManager::file(path).with_flags(flags()).with_init(|connection| prepare(connection));
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(TURN_WAIT)
            .test_on_check_out(false)
            // The follower tells whether the database can be reached; the pool would repeat it for each connection.
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(manager);
        Self { pool, turns: Arc::new(Semaphore::new(CONNECTIONS as usize)) }
    }

    /// Runs `read` in one read transaction, off the runtime.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Loaded<T>, SourceError> {
        let turn = tokio::time::timeout(TURN_WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| SourceError("too many reads are waiting for the database".to_owned()))?;
        let pool = self.pool.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn.expect("the semaphore is never closed");
            let began = Instant::now();
            let mut connection = pool.get().map_err(|error| SourceError(error.to_string()))?;
            in_transaction(&mut connection, began, read)
        });
        running.await.unwrap_or_else(|error| Err(SourceError(format!("the read was broken off: {error}"))))
    }
}

/// A connection of the follower's own, outside the pool.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags())?;
    prepare(&connection)?;
    Ok(connection)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Else SQLite parses a statement again for each value that is bound to its LIMIT, to see whether another plan fits
    // better.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn in_transaction<T>(
    connection: &mut Connection,
    began: Instant,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Loaded<T>, SourceError> {
    // Deferred: the first SELECT takes the snapshot, and all that follow see the same.
    let transaction = connection.transaction()?;
    // Not only the follower looks: a migration may have been committed since it did.
    schema::check(schema::version(&transaction)?)?;
    let sequence = query::journal::last_sequence(&transaction)?;
    let value = read(&transaction)?;
    Ok(Loaded { stamp: Stamp { sequence, began }, value })
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_not_parsed_again_for_a_new_limit() {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema LIMIT ?1").unwrap();
        for limit in 1..=3 {
            statement.query_map([limit], |row| row.get::<_, String>(0)).unwrap().for_each(drop);
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
