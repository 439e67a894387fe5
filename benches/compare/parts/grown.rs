//! A database of very many items and a long journal. It is made by SQL, in a minute or two, and kept for the next run.

use std::path::{Path, PathBuf};

use listener_service::lease::{Attempt, Candidate};
use listener_service::{database, schema};
use rusqlite::{Connection, params};

use crate::bench::Bench;
use crate::stock::{TRACEPARENT, item, sku};

const SCRIPT: &str = include_str!("grown.sql");
/// As long as the facts of a reservation are.
const MESSAGE: usize = 640;
/// Entries of the journal, for each item.
const ENTRIES: usize = 10;

/// The database, ready for a listener on any log.
pub(crate) fn database(items: usize) -> anyhow::Result<PathBuf> {
    let folder = Bench::target().join("compare-growth");
    let path = folder.join(format!("{items}.db"));
    if !is_fit(&path, items).unwrap_or(false) {
        println!("(making a database of {items} items and {} entries: {})", items * ENTRIES, path.display());
        std::fs::create_dir_all(&folder)?;
        remove(&path);
        make(&path, items)?;
    }
    // The log that it followed in another run is gone.
    let connection = database::open(&path)?;
    connection.execute("UPDATE logs SET superseded_at = 0 WHERE superseded_at IS NULL", [])?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(path)
}

/// Whether it is of this schema and size; a little more than that is from earlier runs.
fn is_fit(path: &Path, items: usize) -> anyhow::Result<bool> {
    let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = schema::version(&connection)?;
    let size = "SELECT items, (SELECT max(sequence) FROM journal) FROM progress";
    let (found, entries): (usize, usize) = connection.query_row(size, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let fits = (items * ENTRIES..items * ENTRIES * 3 / 2).contains(&entries);
    Ok(usize::try_from(version) == Ok(schema::LATEST) && found == items && fits)
}

/// Not durable until it is whole: who ends it half-way makes it anew.
fn make(path: &Path, items: usize) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    remove(&partial);
    let mut connection = database::open(&partial)?;
    let Attempt::Taken(lease) = Candidate::new(std::time::Duration::from_secs(3)).attempt(&mut connection)? else {
        anyhow::bail!("a new database is held")
    };
    schema::migrate(&mut connection, &partial, lease)?;
    lease.release(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1000000;
         CREATE TEMP TABLE size (items INTEGER); CREATE TEMP TABLE texts (traceparent TEXT, message TEXT);
         CREATE TEMP TABLE numbered (n INTEGER PRIMARY KEY, item_id BLOB, sku TEXT);",
    )?;
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO size VALUES (?1)", [items])?;
    transaction.execute("INSERT INTO texts VALUES (?1, ?2)", params![TRACEPARENT, "x".repeat(MESSAGE)])?;
    let mut insert = transaction.prepare("INSERT INTO numbered VALUES (?1, ?2, ?3)")?;
    (0..items).try_for_each(|n| insert.execute(params![n, item(n).uuid(), sku(n).as_str()]).map(drop))?;
    drop(insert);
    transaction.execute_batch(SCRIPT)?;
    transaction.commit()?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    anyhow::ensure!(mode == "wal", "the journal mode is {mode}");
    connection.close().map_err(|(_, error)| error)?;
    std::fs::rename(partial, path)?;
    Ok(())
}

/// With what belongs to it, if it is there.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}
