//! Holds a database, and what the clients of a run remember, to the invariants of the system.
//!
//! It trusts nothing that the writer derived: everything is worked out again from the journal, some of it twice, in
//! SQL and by a replay. It is meant for a database at rest; it opens it read-only, and reads one snapshot.
//!
//! A journal may be older than reservations. What it says from before them is known by naming no actor: what is reserved
//! is nobody's then, until a hold is opened for each level that has something reserved.

mod commands;
mod conservation;
mod database;
mod fact;
mod positions;
mod replay;
mod search;
mod shapes;
mod step;
mod stored;

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use shared::aggregate::AggregateId;
use shared::id::CommandId;

use database::Database;

/// What the clients of a run remember of it.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every command that was sent, in any order; one that was sent again may be here again.
    pub commands: Vec<Sent>,
    /// Where each message stands that was made to be a dead letter.
    pub poison: Vec<Origin>,
    /// Whether nobody else sent anything, so that what is not here was invented.
    pub complete: bool,
}

/// One command, as its client remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// `None` if the client never learnt it: no answer came, and it cannot derive it.
    pub command_id: Option<CommandId>,
    /// What was asked of.
    pub of: AggregateId,
    /// The `eventType` of the request.
    pub expected_type: String,
    /// A 202 came.
    pub accepted: bool,
    /// A 504 came, or the connection broke: it may have been taken or not.
    pub unknown: bool,
}

/// Where a message stands in a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// [`shared::token::LogId`] as stored.
    pub log: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// How much was checked: a run that checked nothing proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Commands in the history.
    pub sent: usize,
    /// Of these, those that got a 202.
    pub accepted: usize,
    /// Of these, those of which nobody knows whether they were taken.
    pub unknown: usize,
    /// Entries of the journal.
    pub journal: usize,
    /// Commands applied.
    pub applied: usize,
    /// Commands rejected.
    pub rejected: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// Reservations made, the holds that a migration opened among them.
    pub reservations: usize,
    /// Reservations whose deadline ended them.
    pub expiries: usize,
}

/// Every violation found, in words, by invariant.
#[derive(Debug, Clone, Default)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    /// 1: a command that got a 202 has no outcome, or a fact of it is missing.
    pub lost: Vec<String>,
    /// 2: a command has taken effect twice, or has two outcomes.
    pub twice: Vec<String>,
    /// 3: an entry or outcome that nobody asked for, or that what was asked for cannot cause.
    pub invented: Vec<String>,
    /// 4: a position went back, or does not cover what was applied, or stands for two messages.
    pub position_faults: Vec<String>,
    /// 5: at some prefix of the journal, a level broke `0 ≤ reserved ≤ quantity ≤ 1,000,000,000`.
    pub oversold: Vec<String>,
    /// 6: changes do not add up to what is on hand and reserved.
    pub conservation: Vec<String>,
    /// 7: versions of an aggregate are not 1..n.
    pub versions: Vec<String>,
    /// 8: dead letters are not exactly the poison.
    pub dead_letters: Vec<String>,
    /// 9: the journal's order is not the log's, or its time goes back.
    pub order: Vec<String>,
    /// 11: the state rebuilt from the journal is not the stored one, or the counters are wrong.
    pub rebuild: Vec<String>,
    /// 13: SQLite's own check, the journal's gapless sequence, and entries that contradict their own message.
    pub integrity: Vec<String>,
    /// A reservation did not go from pending to one end, before its deadline or by it; or what it tells is not what the
    /// levels tell.
    pub reservations: Vec<String>,
    /// That stock ran out, came back or became low was not told, or was told wrongly.
    pub edges: Vec<String>,
    /// How much was checked.
    pub counts: Counts,
}

/// Checks the database file at `database`. Panics if it cannot be read at all.
pub fn check(database: &Path, history: &History) -> Report {
    inspect(database, history).unwrap_or_else(|error| panic!("cannot check {}: {error}", database.display()))
}

fn inspect(path: &Path, history: &History) -> rusqlite::Result<Report> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let snapshot = connection.transaction()?;
    let mut report = Report { integrity: database::integrity_check(&snapshot)?, ..Report::default() };
    if !report.integrity.is_empty() {
        return Ok(report);
    }
    conservation::check(&snapshot, &mut report)?;
    let database = Database::load(&snapshot, &mut report)?;
    positions::check(&database, history, &mut report);
    commands::check(&database, history, &mut report);
    let rebuilt = replay::replay(&database, &mut report);
    stored::compare(&database, &rebuilt, &mut report);
    search::check(&snapshot, &database, &rebuilt, &mut report)?;
    Ok(report)
}

impl Report {
    /// Every violation with its invariant.
    pub fn violations(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("lost", &self.lost),
            ("twice", &self.twice),
            ("invented", &self.invented),
            ("position", &self.position_faults),
            ("oversold", &self.oversold),
            ("conservation", &self.conservation),
            ("versions", &self.versions),
            ("dead letters", &self.dead_letters),
            ("order", &self.order),
            ("rebuild", &self.rebuild),
            ("integrity", &self.integrity),
            ("reservations", &self.reservations),
            ("edges", &self.edges),
        ];
        all.into_iter().flat_map(|(name, found)| found.iter().map(move |text| (name, text.as_str())))
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.violations().next().is_none()
    }

    /// Panics with everything that was found.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, accepted, unknown, journal, applied, rejected, dead_letters, reservations, expiries } =
            self.counts;
        writeln!(f, "sent {sent}, accepted {accepted}, unknown {unknown}; journal entries {journal}")?;
        writeln!(f, "applied {applied}, rejected {rejected}, dead letters {dead_letters}")?;
        writeln!(f, "reservations {reservations}, expiries {expiries}")?;
        writeln!(f, "violations {}", self.violations().count())?;
        self.violations().try_for_each(|(name, text)| writeln!(f, "{name}: {text}"))
    }
}

#[cfg(test)]
mod tests;
