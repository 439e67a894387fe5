//! Which log is consumed, and how far: the position lives beside the state that it stands for.

#[cfg(feature = "failpoints")]
mod planted;

use fail::fail_point;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use shared::clock::Timestamp;
use shared::token::LogId;

/// The log that is consumed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentLog {
    /// Its number in the tables.
    pub number: i64,
    /// Its identity.
    pub id: LogId,
    /// The next offset to apply; none if nothing of it has been.
    pub next_offset: Option<i64>,
}

/// The position cannot be used on this log. Each names the page that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Commands of another cluster would be applied to this data.
    #[error(
        "the data follows log {stored}, but the broker's log is {found}: see docs/OPERATIONS.md#another-log \
         (a wrong KAFKA_BROKERS? else start once with --accept-new-log {found})"
    )]
    Another {
        /// What the position belongs to.
        stored: String,
        /// What the broker has.
        found: LogId,
    },
    /// Messages between the position and the log's first are gone, or the log is shorter than it was.
    #[error(
        "the position {position} is outside log {log}, which holds {low} to {high}: \
         see docs/OPERATIONS.md#position-outside-the-log (to go on from its beginning: --accept-new-log {log})"
    )]
    Outside {
        /// The log.
        log: LogId,
        /// The next offset to apply.
        position: i64,
        /// The log's first offset.
        low: i64,
        /// The one after its last.
        high: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl CurrentLog {
    /// Whether `found`, which holds the offsets `low` to `high`, can still be this log. For one that is consumed already,
    /// so that nothing is accepted here.
    pub fn hold_to(&self, found: &LogId, (low, high): (i64, i64)) -> Result<(), LogError> {
        if *found != self.id {
            return Err(LogError::Another { stored: self.id.to_string(), found: found.clone() });
        }
        match self.next_offset.filter(|position| !(low..=high).contains(position)) {
            Some(position) => Err(LogError::Outside { log: self.id.clone(), position, low, high }),
            None => Ok(()),
        }
    }
}

/// Makes `found` the current log. One that followed an embedded broker may follow any other, for an embedded log ends
/// with its process; a real log may be followed by another only if `accepted` names it.
pub fn adopt(
    connection: &mut Connection,
    found: &LogId,
    accepted: Option<&str>,
    now: Timestamp,
) -> Result<CurrentLog, LogError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current: Option<(i64, String, Option<i64>)> = transaction
        .query_row("SELECT log, log_id, next_offset FROM logs WHERE superseded_at IS NULL", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match current {
        Some((number, stored, next_offset)) if stored == found.as_str() => {
            return Ok(CurrentLog { number, id: found.clone(), next_offset });
        }
        Some((_, stored, _)) if !LogId::cluster(&stored).is_embedded() && !accepts(accepted, found) => {
            return Err(LogError::Another { stored, found: found.clone() });
        }
        Some(_) => {
            transaction.execute("UPDATE logs SET superseded_at = ?1 WHERE superseded_at IS NULL", [now.millis()])?;
        }
        None => {}
    }
    // One that is consumed again after another is read from its beginning: outcomes tell what was applied.
    let number = transaction.query_row(
        "INSERT INTO logs (log_id, first_seen_at) VALUES (?1, ?2)
         ON CONFLICT (log_id) DO UPDATE SET superseded_at = NULL, next_offset = NULL RETURNING log",
        params![found.as_str(), now.millis()],
        |row| row.get(0),
    )?;
    transaction.commit()?;
    Ok(CurrentLog { number, id: found.clone(), next_offset: None })
}

/// Holds the position to what the log has. Accepted by name, a log is read again from its beginning.
pub fn within(
    connection: &Connection,
    log: &mut CurrentLog,
    (low, high): (i64, i64),
    accepted: Option<&str>,
) -> Result<(), LogError> {
    fail_point!("plant-skip-position", |_| planted::begin_at_the_end(log, high));
    let Err(outside) = log.hold_to(&log.id, (low, high)) else { return Ok(()) };
    if !accepts(accepted, &log.id) {
        return Err(outside);
    }
    connection.execute("UPDATE logs SET next_offset = NULL WHERE log = ?1", [log.number])?;
    log.next_offset = None;
    Ok(())
}

/// An embedded log has a new name at each start, so it is accepted by its kind.
fn accepts(accepted: Option<&str>, found: &LogId) -> bool {
    accepted.is_some_and(|accepted| accepted == found.as_str() || (accepted == "embedded" && found.is_embedded()))
}

/// The next offset of this log to apply, as it is stored.
pub fn position(connection: &Connection, log: &CurrentLog) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT next_offset FROM logs WHERE log = ?1", [log.number], |row| row.get(0))
}

/// Moves the position, if it is still where this writer left it. `false` if it is not: another one writes.
pub fn advance(connection: &Connection, log: &CurrentLog, next_offset: i64) -> rusqlite::Result<bool> {
    fail_point!("plant-skip-position", |_| planted::advance(connection, log, next_offset));
    let rows = connection
        .prepare_cached(
            "UPDATE logs SET next_offset = ?1 WHERE log = ?2 AND next_offset IS ?3 AND superseded_at IS NULL",
        )?
        .execute(params![next_offset, log.number, log.next_offset])?;
    fail_point!("writer-positioned");
    Ok(rows == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = crate::database::open(&folder.path().join("inventory.db")).expect("opened");
        (folder, connection)
    }

    const NOW: fn() -> Timestamp = || Timestamp::from_millis(0);

    #[test]
    fn a_new_embedded_log_follows_an_old_one_by_itself_and_so_does_a_real_one() {
        let (_folder, mut connection) = database();
        let first = adopt(&mut connection, &LogId::new_embedded(), None, NOW()).expect("adopted");
        assert!(advance(&connection, &first, 5).expect("moved"));
        let second = adopt(&mut connection, &LogId::new_embedded(), None, NOW()).expect("adopted");
        assert_eq!((second.number, second.next_offset), (2, None));
        adopt(&mut connection, &LogId::cluster("real"), None, NOW()).expect("adopted");
    }

    #[test]
    fn a_real_log_is_followed_by_another_only_if_that_is_named() {
        let (_folder, mut connection) = database();
        let (a, b) = (LogId::cluster("a"), LogId::cluster("b"));
        adopt(&mut connection, &a, None, NOW()).expect("the first");
        for accepted in [None, Some("a"), Some("c")] {
            let error = adopt(&mut connection, &b, accepted, NOW()).expect_err("halted").to_string();
            assert!(error.contains("docs/OPERATIONS.md"), "{error}");
        }
        let embedded = LogId::new_embedded();
        assert!(adopt(&mut connection, &embedded, None, NOW()).is_err(), "KAFKA_BROKERS was forgotten");
        assert_eq!(adopt(&mut connection, &b, Some("b"), NOW()).expect("named").number, 2);
        let again = adopt(&mut connection, &a, Some("a"), NOW()).expect("named");
        assert_eq!((again.number, again.next_offset), (1, None));
    }

    #[test]
    fn a_position_that_the_log_does_not_hold_halts_until_accepted() {
        let (_folder, mut connection) = database();
        let mut log = adopt(&mut connection, &LogId::cluster("a"), None, NOW()).expect("adopted");
        assert!(within(&connection, &mut log, (3, 9), None).is_ok(), "nothing applied yet: its beginning is right");
        assert!(advance(&connection, &log, 10).expect("moved"));
        log.next_offset = Some(10);
        for bounds in [(0, 9), (11, 20)] {
            assert!(within(&connection, &mut log, bounds, None).is_err());
        }
        assert!(within(&connection, &mut log, (0, 10), None).is_ok());
        within(&connection, &mut log, (0, 9), Some("a")).expect("accepted");
        assert_eq!(log.next_offset, None);
    }

    #[test]
    fn a_log_that_is_exchanged_or_cut_while_it_is_consumed_is_noticed() {
        let mut log = CurrentLog { number: 1, id: LogId::cluster("a"), next_offset: None };
        let another = log.hold_to(&LogId::cluster("b"), (0, 9)).expect_err("another").to_string();
        assert!(another.contains("docs/OPERATIONS.md#another-log"), "{another}");
        assert!(log.hold_to(&LogId::cluster("a"), (3, 9)).is_ok(), "nothing polled yet: its beginning is right");
        log.next_offset = Some(5);
        assert!(log.hold_to(&LogId::cluster("a"), (5, 5)).is_ok());
        for bounds in [(0, 4), (6, 9)] {
            let outside = log.hold_to(&LogId::cluster("a"), bounds).expect_err("outside").to_string();
            assert!(outside.contains("docs/OPERATIONS.md#position-outside-the-log"), "{outside}");
        }
    }

    #[test]
    fn a_position_that_somebody_else_moved_is_not_moved_again() {
        let (_folder, mut connection) = database();
        let log = adopt(&mut connection, &LogId::cluster("a"), None, NOW()).expect("adopted");
        assert!(advance(&connection, &log, 5).expect("moved"));
        assert!(!advance(&connection, &log, 6).expect("looked"), "it is at 5, not at the beginning");
    }
}
