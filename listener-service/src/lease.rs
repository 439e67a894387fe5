//! Who writes: a lease in the database itself (docs/adr/0004).
//!
//! A standby takes it over at once when the holder's process is gone, or when the holder's heartbeat has stood still
//! for the lease's time by the standby's own monotonic clock. A holder that finds another epoch stops.

use std::time::{Duration, Instant};

use fail::fail_point;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use crate::clock::TimeSource;
use crate::process::{Existence, Process};

/// The lease, taken: what every transaction of the holder checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Raised by each who takes it.
    pub epoch: i64,
}

/// What came of an attempt to take it.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Taken(Lease),
    /// Another process has it.
    Held {
        /// Who.
        holder: Process,
        /// Whether we know that it runs.
        existence: Existence,
        /// It has stood still for the lease's time, holds the write lock, and cannot be ended from here.
        stuck: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    epoch: i64,
    heartbeat: i64,
    holder: Option<Process>,
}

/// One that wants the lease, and what it has seen of the holder.
#[derive(Debug)]
pub struct Candidate {
    me: Process,
    patience: Duration,
    time: TimeSource,
    seen: Option<(i64, i64, Instant)>,
}

impl Candidate {
    /// Takes over from a holder that stood still for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self::of(Process::current(), patience, TimeSource::Machine)
    }

    /// The same, for `me`, by `time`.
    pub fn of(me: Process, patience: Duration, time: TimeSource) -> Self {
        Self { me, patience, time, seen: None }
    }

    /// Tries once. The connection's busy timeout bounds it.
    pub fn attempt(&mut self, connection: &mut Connection) -> rusqlite::Result<Attempt> {
        let row = read(connection)?;
        let Some(holder) = row.holder.clone() else { return self.take(connection, &row) };
        let existence = self.me.existence_of(&holder);
        let stood_still = self.stood_still(&row);
        if existence == Existence::Gone || stood_still {
            match self.take(connection, &row) {
                Err(error) if is_busy(&error) && stood_still => return Ok(self.end_stuck(holder, existence)),
                taken => return taken,
            }
        }
        Ok(Attempt::Held { holder, existence, stuck: false })
    }

    /// By our own monotonic clock: nobody else's clock, and no wall clock, decides.
    fn stood_still(&mut self, row: &Row) -> bool {
        match self.seen {
            Some((epoch, heartbeat, since)) if (epoch, heartbeat) == (row.epoch, row.heartbeat) => {
                self.time.since(since) >= self.patience
            }
            _ => {
                self.seen = Some((row.epoch, row.heartbeat, self.time.instant()));
                false
            }
        }
    }

    /// Raises the epoch if the row is still the one that was looked at.
    fn take(&self, connection: &mut Connection, seen: &Row) -> rusqlite::Result<Attempt> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let row = read(&transaction)?;
        if row != *seen {
            let holder = row.holder.unwrap_or_else(|| self.me.clone());
            return Ok(Attempt::Held { existence: self.me.existence_of(&holder), holder, stuck: false });
        }
        let epoch = row.epoch + 1;
        let me = &self.me;
        transaction.execute(
            "UPDATE lease SET epoch = ?1, heartbeat = heartbeat + 1, boot_id = ?2, pid_namespace = ?3, pid = ?4,
                start_time = ?5, host = ?6, taken_at = ?7",
            params![
                epoch,
                holder_boot(me),
                me.pid_namespace,
                me.pid,
                me.start_time,
                me.host,
                self.time.wall_clock().millis()
            ],
        )?;
        fail_point!("lease-taking");
        transaction.commit()?;
        Ok(Attempt::Taken(Lease { epoch }))
    }

    /// A stopped process inside a transaction keeps the write lock for ever. On this machine it can be ended; the lock
    /// goes with it. Elsewhere an operator must. One that is not stopped may be waiting for a lock of somebody else's.
    fn end_stuck(&self, holder: Process, existence: Existence) -> Attempt {
        let ours_to_end = holder.pid != self.me.pid && self.me.sees_stopped(&holder);
        if ours_to_end {
            match self.me.end(&holder) {
                Ok(()) => tracing::warn!(%holder, "ended the holder: stopped, and holding the write lock"),
                Err(error) => tracing::error!(%holder, %error, "cannot end the stopped holder of the write lock"),
            }
        }
        Attempt::Held { holder, existence, stuck: !ours_to_end }
    }
}

/// Who holds the lease and is known to run, without wanting it.
pub fn running_holder(connection: &Connection) -> rusqlite::Result<Option<Process>> {
    let holder = read(connection)?.holder;
    Ok(holder.filter(|holder| Process::current().existence_of(holder) == Existence::Runs))
}

impl Lease {
    /// Moves the heartbeat. `false` if the lease is another's: the holder must stop.
    pub fn beat(self, connection: &Connection) -> rusqlite::Result<bool> {
        let rows = connection
            .prepare_cached("UPDATE lease SET heartbeat = heartbeat + 1 WHERE epoch = ?1")?
            .execute([self.epoch])?;
        Ok(rows == 1)
    }

    /// Gives it back, so that the next one need not wait.
    pub fn release(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("UPDATE lease SET boot_id = '', pid = 0 WHERE epoch = ?1", [self.epoch]).map(|_| ())
    }
}

/// Where the system does not tell the boot, something must still say that the lease is held.
fn holder_boot(process: &Process) -> &str {
    if process.boot_id.is_empty() { "unknown" } else { &process.boot_id }
}

fn read(connection: &Connection) -> rusqlite::Result<Row> {
    connection.query_row(
        "SELECT epoch, heartbeat, boot_id, pid_namespace, pid, start_time, host FROM lease",
        [],
        |row| {
            let boot_id: String = row.get(2)?;
            let holder = Process {
                boot_id,
                pid_namespace: row.get(3)?,
                pid: row.get(4)?,
                start_time: row.get(5)?,
                host: row.get(6)?,
            };
            let held = !holder.boot_id.is_empty();
            Ok(Row { epoch: row.get(0)?, heartbeat: row.get(1)?, holder: held.then_some(holder) })
        },
    )
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = crate::database::open(&folder.path().join("inventory.db")).expect("opened");
        (folder, connection)
    }

    fn taken(attempt: &Attempt) -> Option<Lease> {
        match attempt {
            Attempt::Taken(lease) => Some(*lease),
            Attempt::Held { .. } => None,
        }
    }

    fn held_by(connection: &Connection, process: &Process) {
        connection
            .execute(
                "UPDATE lease SET epoch = 7, boot_id = ?1, pid_namespace = ?2, pid = ?3, start_time = ?4",
                params![process.boot_id, process.pid_namespace, process.pid, process.start_time],
            )
            .expect("written");
    }

    #[test]
    fn a_free_lease_is_taken_at_once_and_one_that_was_given_back_too() {
        let (_folder, mut connection) = database();
        let lease = taken(&Candidate::new(Duration::from_hours(1)).attempt(&mut connection).expect("attempt"));
        assert_eq!(lease, Some(Lease { epoch: 1 }));
        lease.expect("taken").release(&connection).expect("released");
        let next = taken(&Candidate::new(Duration::from_hours(1)).attempt(&mut connection).expect("attempt"));
        assert_eq!(next, Some(Lease { epoch: 2 }));
        assert!(!lease.expect("taken").beat(&connection).expect("beat"), "the old epoch is refused");
        assert!(next.expect("taken").beat(&connection).expect("beat"));
    }

    #[test]
    fn a_holder_that_is_gone_is_followed_at_once() {
        let (_folder, mut connection) = database();
        let me = Process::current();
        held_by(&connection, &Process { start_time: me.start_time + 1, ..me });
        let attempt = Candidate::new(Duration::from_hours(1)).attempt(&mut connection).expect("attempt");
        assert_eq!(taken(&attempt), Some(Lease { epoch: 8 }));
    }

    #[test]
    fn a_holder_elsewhere_is_followed_only_after_it_stood_still_for_the_time() {
        let (_folder, mut connection) = database();
        let elsewhere = Process { boot_id: "other".to_owned(), ..Process::current() };
        held_by(&connection, &elsewhere);
        let mut patient = Candidate::new(Duration::from_hours(1));
        for _ in 0..3 {
            assert_eq!(taken(&patient.attempt(&mut connection).expect("attempt")), None);
        }
        let mut impatient = Candidate::new(Duration::ZERO);
        assert_eq!(taken(&impatient.attempt(&mut connection).expect("a first look")), None);
        assert!(Lease { epoch: 7 }.beat(&connection).expect("beat"));
        assert_eq!(taken(&impatient.attempt(&mut connection).expect("it moved")), None);
        assert_eq!(taken(&impatient.attempt(&mut connection).expect("it stood still")), Some(Lease { epoch: 8 }));
    }
}
