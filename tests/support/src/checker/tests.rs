//! The checker, tried on a small database as the writer would leave it: clean as it is, and red in the right place
//! for each fault that is planted in it.

mod commands;
mod fixture;
mod levels;
mod reservations;
mod story;
mod tables;

use super::*;
use fixture::Fixture;

/// Whether nothing is wrong until something is planted: else a violation may have been there before.
#[test]
fn a_database_as_the_writer_leaves_it_is_clean() {
    let report = story::complete().check();
    report.assert_clean();
    let counts = Counts {
        sent: 27,
        accepted: 27,
        unknown: 0,
        journal: 61,
        applied: 25,
        rejected: 2,
        dead_letters: 1,
        reservations: 7,
        expiries: 1,
    };
    assert_eq!(report.counts, counts);
}

#[test]
fn every_type_of_fact_is_in_the_story() {
    let fixture = story::complete();
    for event_type in shared::message::Fact::EVENT_TYPES {
        let sql = "SELECT count(*) > 0 FROM journal WHERE event_type = ?";
        let is_there: bool = fixture.connection.query_row(sql, [event_type], |row| row.get(0)).unwrap();
        assert!(is_there, "{event_type}");
    }
}

#[test]
fn a_journal_from_before_there_were_reservations_is_clean_once_migrated() {
    let report = story::migrated().check();
    report.assert_clean();
    assert_eq!((report.counts.journal, report.counts.reservations), (7, 1));
}

#[test]
fn sqlites_own_check_is_asked() {
    let stricter = "PRAGMA writable_schema = ON; UPDATE sqlite_schema
                    SET sql = replace(sql, 'traceparent TEXT', 'traceparent TEXT NOT NULL') WHERE name = 'journal'";
    assert_red(&planted(stricter), "integrity", "NULL value in journal.traceparent");
    assert_red(&planted("UPDATE journal SET log = 7 WHERE sequence = 3"), "integrity", "refers to nothing");
}

fn planted(sql: &str) -> Report {
    story::complete().plant(sql).check()
}

/// `report` names a violation of this kind that says this.
#[track_caller]
fn assert_red(report: &Report, kind: &str, says: &str) {
    let found = report.violations().any(|(found, text)| found == kind && text.contains(says));
    assert!(found, "no {kind} that says {says:?} in\n{report}");
}

/// Plants each fault on its own, and looks for what must be said of it.
#[track_caller]
fn assert_each_red<S: AsRef<str>>(build: fn() -> Fixture, kind: &str, faults: &[(S, &str)]) {
    for (sql, says) in faults {
        let report = build().plant(sql.as_ref()).check();
        let found = report.violations().any(|(found, text)| found == kind && text.contains(says));
        assert!(found, "{}\nno {kind} that says {says:?} in\n{report}", sql.as_ref());
    }
}

/// Changes one field of what a fact says; the value as SQL.
fn set(sequence: i64, field: &str, value: &str) -> String {
    in_message(sequence, &format!("data.{field}"), value)
}

/// Changes one field of a message; the value as SQL.
fn in_message(sequence: i64, field: &str, value: &str) -> String {
    format!("UPDATE journal SET message = json_set(message, '$.{field}', {value}) WHERE sequence = {sequence};")
}

/// A time as messages have it; so many seconds after 1970.
fn time(seconds: u32) -> String {
    format!("'1970-01-01T00:{:02}:{:02}.000Z'", seconds / 60, seconds % 60)
}

/// Another type of the same fact, also in its column.
fn retyped(sequence: i64, event_type: &str) -> String {
    let column = format!("UPDATE journal SET event_type = '{event_type}' WHERE sequence = {sequence};");
    column + &in_message(sequence, "eventType", &format!("'{event_type}'"))
}

/// The entries again, so many sequences later, an offset further on.
fn again(sequences: std::ops::RangeInclusive<i64>, later: i64) -> String {
    let (from, to) = (sequences.start(), sequences.end());
    format!(
        "INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log, log_offset,
             occurred_at, message)
         SELECT sequence + {later}, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log, 59, 29000,
             json_set(message, '$.sequence', sequence + {later}, '$.occurredAt', {})
         FROM journal WHERE sequence BETWEEN {from} AND {to};",
        time(29)
    )
}
