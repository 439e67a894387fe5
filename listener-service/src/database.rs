//! The one write connection: opened with the settings that durability needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::schema::{self, SchemaError};

/// SQLite before 3.51.3 can lose commits when one process writes and another checkpoints (WAL reset race).
const OLDEST_SQLITE: i32 = 3_051_003;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What a reader that holds a snapshot made grow beyond this is given back to the disk once the log starts over; it is
/// as much as the log has when it is made to.
const WAL_KEPT: i64 = 64 * 1024 * 1024;
const STATEMENTS: usize = 128;

/// The database cannot be used as it is; each is tried again.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A volume is not mounted, say.
    #[error("the folder {} of SQLITE_PATH does not exist: create it, or mount what should be there", .0.display())]
    NoFolder(PathBuf),
    /// The file system cannot do shared memory, say.
    #[error("SQLite keeps the journal mode {0} instead of wal: the file must be on a local disk")]
    NoWal(String),
    /// Linked against one that can lose data.
    #[error("SQLite {0} can lose commits; at least 3.51.3 is needed")]
    TooOld(&'static str),
    /// From a newer program, say.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Anything that SQLite says: busy, disk full, not writable.
    #[error("{}", explain(.0))]
    Sqlite(#[from] rusqlite::Error),
}

fn explain(error: &rusqlite::Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another process holds the write lock",
        Some(ErrorCode::ReadOnly) => "the file or its folder is not writable",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened; is its folder writable?",
        Some(ErrorCode::SystemIoFailure) => "the disk failed",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "the file is damaged or no SQLite database",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}

/// Opens the database for writing. Its schema is at least the first one, and not newer than this program; the holder of
/// the lease brings it up to date ([`schema::migrate`]).
pub fn open(path: &Path) -> Result<Connection, DatabaseError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(DatabaseError::TooOld(rusqlite::version()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(DatabaseError::NoFolder(folder.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(DatabaseError::NoWal(mode));
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -49152; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
    )?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    keep_plans(&connection)?;
    schema::begin(&mut connection)?;
    Ok(connection)
}

/// Opens it for reading only, beside the writer.
pub fn open_read_only(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, read_only())?;
    set_up_reading(&connection, BUSY_TIMEOUT)?;
    Ok(connection)
}

/// What a connection that only reads is opened with.
pub(crate) fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Once it is open. `patience` is how long it waits for who recovers the log.
pub(crate) fn set_up_reading(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    keep_plans(connection)
}

/// Else SQLite parses a statement again for each value that is bound to its LIMIT, to see whether another plan fits better.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Whether the error is about one statement's data. All others are about the database or the disk: they hit whichever
/// command comes, so no command is to blame.
pub fn is_about_the_data(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig),
        // Not from SQLite: a value in a row that does not convert.
        None => !matches!(error, rusqlite::Error::SqliteFailure(..)),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn no_connection_parses_a_statement_again_for_a_new_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        let writing = open(&path).expect("made");
        for connection in [writing, open_read_only(&path).expect("opened")] {
            let mut statement = connection.prepare("SELECT sequence FROM journal LIMIT ?1").expect("prepared");
            for limit in 1..=3 {
                statement.query_map([limit], |row| row.get::<_, u64>(0)).expect("read").for_each(drop);
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = open(&folder.path().join("missing/inventory.db")).expect_err("no folder");
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_named_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        std::fs::write(&path, "no database, but long enough to look at the header of one, which it has not")
            .expect("written");
        let error = open(&path).expect_err("no database").to_string();
        assert!(error.contains("no SQLite database"), "{error}");
    }
}
