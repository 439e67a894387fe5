//! A database that the listener made, and how far it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use kafka::Topics;
use rusqlite::{Connection, OpenFlags};
use testkit::redis_server::RedisServer;

use super::log::Log;
use super::services::{Service, listener};
use crate::bench::Bench;
use crate::stock::creation;

const LOOK_EVERY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(10);
/// Few enough for the memory of the in-process broker.
const AT_ONCE: usize = 2000;

/// A reader beside the writer, with short looks.
pub(crate) struct Progress(Connection);

impl Progress {
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self(connection))
    }

    /// The next offset that the listener applies.
    pub(crate) fn position(&self) -> rusqlite::Result<i64> {
        let current = "SELECT coalesce(max(next_offset), 0) FROM logs WHERE superseded_at IS NULL";
        self.0.query_row(current, [], |row| row.get(0))
    }

    /// The last entry of the journal.
    pub(crate) fn sequence(&self) -> rusqlite::Result<i64> {
        self.0.query_row("SELECT coalesce(max(sequence), 0) FROM journal", [], |row| row.get(0))
    }

    /// The last entry that is known to be on its topic.
    pub(crate) fn published(&self) -> rusqlite::Result<i64> {
        self.0.query_row("SELECT published FROM progress", [], |row| row.get(0))
    }

    /// Waits until `look` gives something, bounded.
    pub(crate) fn wait<T>(&self, look: impl Fn(&Self) -> rusqlite::Result<Option<T>>) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            ensure!(started.elapsed() < PATIENCE, "the listener was not there within {PATIENCE:?}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until so much of the log is applied.
    pub(crate) fn reaches(&self, position: i64) -> anyhow::Result<()> {
        self.wait(|progress| Ok((progress.position()? >= position).then_some(())))
    }

    /// Waits until all that is in the journal is published.
    pub(crate) fn is_published(&self) -> anyhow::Result<()> {
        self.wait(|progress| Ok((progress.published()? >= progress.sequence()?).then_some(())))
    }
}

/// A listener that has applied and published the creations of so many items, with which its log begins.
pub(crate) struct Stocked {
    pub(crate) database: PathBuf,
    pub(crate) listener: Service,
    pub(crate) log: Log,
}

impl Stocked {
    pub(crate) fn start(
        bench: &Bench,
        folder: &Path,
        brokers: &str,
        topics: &Topics,
        items: usize,
        redis: Option<&RedisServer>,
    ) -> anyhow::Result<Self> {
        let database = folder.join("stocked.db");
        let log = Log::open(bench, brokers, topics)?;
        let listener = listener(folder, brokers, topics, &database, redis).ready(bench);
        let progress = Progress::of(&database)?;
        for first in (0..items).step_by(AT_ONCE) {
            log.send(bench, (first..items.min(first + AT_ONCE)).map(creation))?;
            progress.reaches(log.sent())?;
        }
        progress.is_published()?;
        Ok(Self { database, listener, log })
    }

    /// Ends the listener, so that the database is one file, whole; a copy of it is another start from here.
    pub(crate) fn template(self) -> anyhow::Result<(PathBuf, Log)> {
        self.listener.stop()?;
        Ok((self.database, self.log))
    }
}
