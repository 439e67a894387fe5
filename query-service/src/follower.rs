//! Follows the journal through a read-only connection of its own, and tells [`Following`] what changed.
//!
//! It looks at `PRAGMA data_version`, which costs microseconds, and reads only when somebody has committed. It looks again
//! and again while somebody writes, and else now and then: a process at rest should cost nothing. Nothing is missed: after
//! an error it goes on from the last sequence it has told, on a fresh connection to the same file.

pub(crate) mod bell;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use shared::http::health::{Condition, Readiness};

use crate::following::{Applied, FollowError, Following};
use crate::query::schema::{self, SchemaError};
use crate::{query, source};
use bell::Bell;

/// Between two looks while somebody writes, unless a reader cannot wait: the delay until a write is followed.
const PAUSE: Duration = Duration::from_millis(2);
/// How long after its last write a commit is looked for: it can be seen once it is on the disk.
const LINGER: Duration = Duration::from_millis(20);
/// Between two looks while nobody writes, in case that a write was not told of.
const REST: Duration = Duration::from_millis(50);
/// After an error.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);
/// How many journal entries are held in memory at once.
const CHUNK: u32 = 4096;
/// How often to see whether the path still names the file that is open.
const FILE_CHECK: Duration = Duration::from_secs(1);
/// The dependency's name on `/health/ready`.
pub(crate) const DATABASE: &str = "database";

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was committed, and has been told.
    Progressed,
    /// Nothing new.
    Idle,
    /// The database cannot be read; readiness says why.
    Unreachable,
}

/// The follower; one a process.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    following: Arc<Following>,
    readiness: Readiness,
    open: Option<Open>,
    /// Which file is followed, as device and inode, and the last sequence told; set by the first look that succeeds.
    since: Option<(File, u64)>,
    /// What was logged last while there is no database yet.
    awaited: Option<String>,
}

type File = (u64, u64);

#[derive(Debug)]
struct Open {
    connection: Connection,
    file: File,
    checked: Instant,
    version: Option<i64>,
}

enum Trouble {
    Fatal(FollowError),
    Passing(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

/// Passing: an older file is migrated, and of a newer one readiness says which program can read it.
impl From<SchemaError> for Trouble {
    fn from(error: SchemaError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl Follower {
    /// Opens nothing yet.
    pub(crate) fn new(path: PathBuf, following: Arc<Following>, readiness: Readiness) -> Self {
        Self { path, following, readiness, open: None, since: None, awaited: None }
    }

    /// Steps until it is told to stop.
    pub(crate) fn run(&mut self, bell: &Arc<Bell>) -> Result<(), FollowError> {
        self.following.follow_with(Arc::clone(bell));
        let (mut is_told, mut written) = (None, Instant::now());
        while !self.following.is_stopping() {
            if self.step()? == Step::Unreachable {
                bell.wait(PAUSE_AFTER_ERROR, false);
                continue;
            }
            let is_told = *is_told.get_or_insert_with(|| self.watch(bell));
            if bell.was_written() {
                written = Instant::now();
            }
            let is_at_rest = is_told && written.elapsed() >= LINGER;
            bell.wait(if is_at_rest { REST } else { PAUSE }, is_at_rest);
        }
        Ok(())
    }

    /// Without being told of writes, it looks as often as if there were some all the time.
    fn watch(&self, bell: &Bell) -> bool {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let watched = bell.watch(folder.unwrap_or_else(|| Path::new(".")));
        watched.inspect_err(|error| tracing::warn!(%error, "not told of writes to the database's folder")).is_ok()
    }

    /// Looks once.
    pub(crate) fn step(&mut self) -> Result<Step, FollowError> {
        match self.look() {
            Ok(step) => {
                self.following.looked();
                Ok(step)
            }
            Err(Trouble::Fatal(error)) => Err(error),
            Err(Trouble::Passing(detail)) => {
                self.open = None;
                self.following.lost();
                let detail = format!("{} cannot be read: {detail}", self.path.display());
                if self.since.is_none() && self.awaited.as_ref() != Some(&detail) {
                    // Readiness logs changes, and before the first look it was not ready anyway.
                    tracing::info!(detail, "waiting for the database");
                    self.awaited = Some(detail.clone());
                }
                self.readiness.tell(DATABASE, Condition::Down, detail);
                Ok(Step::Unreachable)
            }
        }
    }

    fn look(&mut self) -> Result<Step, Trouble> {
        let mut open = match self.open.take() {
            Some(open) => self.still_there(open)?,
            None => self.reopen()?,
        };
        // Taken before the read: what is committed in between is looked at again.
        let version = query::journal::data_version(&open.connection)?;
        if open.version == Some(version) {
            self.open = Some(open);
            return Ok(Step::Idle);
        }
        let seen = self.follow(&mut open.connection)?;
        if open.version.is_none() {
            self.readiness.tell(DATABASE, Condition::Up, format!("following {}", self.path.display()));
        }
        open.version = Some(version);
        self.since = Some((open.file, seen));
        self.open = Some(open);
        Ok(Step::Progressed)
    }

    /// Reads what is new in one transaction, so that positions and entries are of one moment, and tells it.
    fn follow(&self, connection: &mut Connection) -> Result<u64, Trouble> {
        let transaction = connection.transaction()?;
        schema::check(schema::version(&transaction)?)?;
        let last = query::journal::last_sequence(&transaction)?;
        let logs = query::logs::positions(&transaction)?;
        let mut woken = Vec::new();
        match self.since {
            None => self.following.begin_at(last),
            Some((_, seen)) if last < seen => return Err(Trouble::Fatal(FollowError::WentBack { seen, found: last })),
            Some((_, mut seen)) => {
                while seen < last {
                    let changes = query::journal::changes_after(&transaction, seen, CHUNK)?;
                    woken.extend(self.following.raise(&changes));
                    seen = changes.last().map_or(last, |change| change.sequence);
                }
            }
        }
        // Those who wait are woken last: what they look up is then followed already and can be told at once.
        self.following.publish(Applied { sequence: last, logs }, &woken);
        Ok(last)
    }

    fn reopen(&self) -> Result<Open, Trouble> {
        let file = self.file()?;
        if self.since.is_some_and(|(followed, _)| followed != file) {
            return Err(Trouble::Fatal(FollowError::Replaced));
        }
        let connection = source::open(&self.path)?;
        Ok(Open { connection, file, checked: Instant::now(), version: None })
    }

    /// A connection goes on reading a file that was removed or replaced, and would never see another change.
    fn still_there(&self, mut open: Open) -> Result<Open, Trouble> {
        if open.checked.elapsed() >= FILE_CHECK {
            if self.file()? != open.file {
                return Err(Trouble::Fatal(FollowError::Replaced));
            }
            open.checked = Instant::now();
        }
        Ok(open)
    }

    /// `stat` only: opening and closing the file ourselves would drop SQLite's locks (POSIX).
    fn file(&self) -> Result<File, Trouble> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| Trouble::Passing(error.to_string()))?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

#[cfg(test)]
mod tests;
