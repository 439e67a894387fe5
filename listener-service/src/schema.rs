//! The versions of the schema: up when the holder of the lease finds an older one, with a backup before; down when an
//! operator says so. docs/OPERATIONS.md has the runbook.

mod carry_over;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction};
use rusqlite_migration::{HookError, HookResult, M, Migrations};

use crate::lease::Lease;

/// The version that this program writes.
pub const LATEST: usize = 3;
/// The first version has the lease, which decides who may migrate.
const FIRST: usize = 1;
/// No epoch that was ever taken.
const NOBODY: Lease = Lease { epoch: -1 };

/// The schema cannot be what this program needs.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Written by a newer program; nothing was touched.
    #[error(
        "the database has schema version {found}, and this program knows {LATEST} at most: start the newer program, or \
         go down with it first (docs/OPERATIONS.md#schema-versions)"
    )]
    Newer {
        /// The file's.
        found: i64,
    },
    /// No such version, or one that is not below the file's.
    #[error("schema version {wanted} is not one to go down to from {found}")]
    NotBelow {
        /// The file's.
        found: i64,
        /// What was asked for.
        wanted: usize,
    },
    /// The older program would send entries about reservations and stores without their key.
    #[error(
        "the journal goes to sequence {sequence} and is published to {published} only: start the listener again, wait \
         until `published` is `sequence`, and stop it (docs/OPERATIONS.md#schema-versions)"
    )]
    Unpublished {
        /// The watermark.
        published: u64,
        /// The journal's last.
        sequence: u64,
    },
    /// The copy is not what was copied; it was left as it is.
    #[error("the backup {} is not sound: {detail}", path.display())]
    Backup {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says of it.
        detail: String,
    },
    /// Who is too slow changes nothing.
    #[error("another process has taken the lease meanwhile; nothing was changed")]
    LeaseLost,
    /// A step failed; nothing of it was kept.
    #[error("cannot change the schema: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// The version that the file has; 0 for an empty one.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a schema that is newer than this program, and gives an empty file the first one.
pub fn begin(connection: &mut Connection) -> Result<(), SchemaError> {
    let found = version(connection)?;
    if found > latest() {
        return Err(SchemaError::Newer { found });
    }
    if found == 0 {
        // No lease is asked for yet: its table is in the first version.
        migrations(NOBODY).to_version(connection, FIRST)?;
    }
    Ok(())
}

/// Whether the schema is older than what this program writes.
pub fn is_behind(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? < latest())
}

/// Whether there is history in an older schema: bringing that up to date takes its time.
pub fn is_history_behind(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(is_behind(connection)? && crate::journal::last_sequence(connection)? > 0)
}

/// Brings an older schema up to date; what it held before is kept beside it. Returns where, unless there was nothing to
/// keep. Nothing changes if the lease is another's by then.
pub fn migrate(connection: &mut Connection, path: &Path, lease: Lease) -> Result<Option<PathBuf>, SchemaError> {
    begin(connection)?;
    let backup = if is_history_behind(connection)? { Some(back_up(connection, path, lease)?) } else { None };
    migrations(lease).to_latest(connection)?;
    Ok(backup)
}

/// Goes down to an older schema, with a backup before. Returns where that is. Nothing changes if the lease is another's by
/// then.
pub fn go_down(connection: &mut Connection, path: &Path, wanted: usize, lease: Lease) -> Result<PathBuf, SchemaError> {
    let found = version(connection)?;
    let is_below = i64::try_from(wanted).is_ok_and(|wanted| wanted < found);
    if wanted < FIRST || !is_below {
        return Err(SchemaError::NotBelow { found, wanted });
    }
    let published = connection.query_row("SELECT published FROM progress", [], |row| row.get(0))?;
    let sequence = crate::journal::last_sequence(connection)?;
    if published < sequence {
        return Err(SchemaError::Unpublished { published, sequence });
    }
    let backup = back_up(connection, path, lease)?;
    migrations(lease).to_version(connection, wanted)?;
    Ok(backup)
}

/// A copy beside the file, named for what is in it: one that was made before an attempt that failed is that of the next.
/// Two listeners may be at it at once, so each has a name of its own until its copy is sound.
fn back_up(connection: &Connection, path: &Path, lease: Lease) -> Result<PathBuf, SchemaError> {
    let (version, sequence) = (version(connection)?, crate::journal::last_sequence(connection)?);
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".schema-{version}-sequence-{sequence}{suffix}"));
        PathBuf::from(name)
    };
    let backup = beside(".backup");
    if backup.exists() {
        match is_sound(&backup, sequence) {
            Ok(()) => return Ok(backup),
            Err(error) => tracing::warn!(backup = %backup.display(), %error, "made anew"),
        }
    }
    let unfinished = beside(&format!(".epoch-{}.unfinished", lease.epoch));
    if let Err(error) = copy(connection, &unfinished, &backup, sequence, lease) {
        // It may be what fills the disk.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    remove_unfinished(path);
    tracing::info!(backup = %backup.display(), version, sequence, "backed up before the schema changes");
    Ok(backup)
}

/// Only who still has the lease gives a copy its name.
fn copy(
    connection: &Connection,
    unfinished: &Path,
    backup: &Path,
    sequence: u64,
    lease: Lease,
) -> Result<(), SchemaError> {
    // Of the same epoch, if an older copy of the database was put back.
    let _ = std::fs::remove_file(unfinished);
    connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
    is_sound(unfinished, sequence)?;
    if !lease.beat(connection)? {
        return Err(SchemaError::LeaseLost);
    }
    std::fs::rename(unfinished, backup)
        .map_err(|error| SchemaError::Backup { path: backup.to_owned(), detail: error.to_string() })
}

/// From attempts that were killed. One that goes on without the lease fails, whatever becomes of its copy.
fn remove_unfinished(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let prefix = format!("{}.schema-", name.to_string_lossy());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && name.ends_with(".unfinished") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_sound(copy: &Path, sequence: u64) -> Result<(), SchemaError> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let detail: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let found = crate::journal::last_sequence(&connection)?;
    if detail == "ok" && found == sequence {
        return Ok(());
    }
    let detail = if detail == "ok" { format!("it ends at sequence {found}, not {sequence}") } else { detail };
    Err(SchemaError::Backup { path: copy.to_owned(), detail })
}

fn latest() -> i64 {
    i64::try_from(LATEST).expect("a small number")
}

fn migrations(lease: Lease) -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("schema/0001_initial.sql")),
        M::up_with_hook(include_str!("schema/0002_reservations.sql"), move |transaction: &Transaction<'_>| {
            carry_over::carry_over(transaction)?;
            hold(lease, transaction)
        })
        .down_with_hook(include_str!("schema/0002_down.sql"), move |transaction: &Transaction<'_>| {
            hold(lease, transaction)
        }),
        M::up_with_hook(include_str!("schema/0003_cheaper_reservations.sql"), move |transaction: &Transaction<'_>| {
            hold(lease, transaction)
        })
        .down_with_hook(include_str!("schema/0003_down.sql"), move |transaction: &Transaction<'_>| {
            hold(lease, transaction)
        }),
    ])
}

/// A backup and a migration may take longer than a standby waits. In the transaction that changes the schema nobody else
/// can take the lease, and the beat shows who has waited for it that the holder lives.
fn hold(lease: Lease, transaction: &Transaction<'_>) -> HookResult {
    if lease.beat(transaction)? { Ok(()) } else { Err(HookError::Hook(SchemaError::LeaseLost.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file that nobody has opened yet.
    const FRESH: Lease = Lease { epoch: 0 };

    #[test]
    fn the_migrations_are_sound_up_and_down() {
        assert_eq!(migrations(FRESH).validate().map_err(|error| error.to_string()), Ok(()));
        let mut connection = Connection::open_in_memory().unwrap();
        migrations(FRESH).to_latest(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), latest());
        let at_latest = shape(&connection);
        migrations(FRESH).to_version(&mut connection, FIRST).unwrap();
        let mut first = Connection::open_in_memory().unwrap();
        migrations(FRESH).to_version(&mut first, FIRST).unwrap();
        let mut gone_down = shape(&connection);
        gone_down.retain(|one| !one.starts_with("table kept_outcomes "));
        assert_eq!(gone_down, shape(&first));
        migrations(FRESH).to_latest(&mut connection).unwrap();
        assert_eq!(shape(&connection), at_latest);
    }

    #[test]
    fn no_check_makes_sqlite_build_a_table_for_each_row() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations(FRESH).to_latest(&mut connection).unwrap();
        for table in texts(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%'") {
            let program = format!("EXPLAIN INSERT INTO {table} DEFAULT VALUES");
            let mut statement = connection.prepare(&program).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>("opcode")).unwrap();
            let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().any(|step| step == "Insert" || step == "IdxInsert"), "{table}: {steps:?}");
            assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{table}: {steps:?}");
        }
    }

    /// Every table with its columns, and every index.
    fn shape(connection: &Connection) -> Vec<String> {
        let statement = "
            SELECT m.type || ' ' || m.name || ' ' || coalesce((SELECT group_concat(c.name) FROM pragma_table_info(m.name) c), '')
            FROM sqlite_schema m ORDER BY 1";
        texts(connection, statement)
    }

    fn texts(connection: &Connection, statement: &str) -> Vec<String> {
        let mut statement = connection.prepare(statement).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}
