//! The checker of the topics, tried on a small journal and what is published of it: clean as it is, and red in the right
//! place for each fault that is planted.

use rusqlite::params;
use serde_json::json;

use super::*;

const SCHEMA: [&str; 3] = [
    include_str!("../../../../listener-service/src/schema/0001_initial.sql"),
    include_str!("../../../../listener-service/src/schema/0002_reservations.sql"),
    include_str!("../../../../listener-service/src/schema/0003_cheaper_reservations.sql"),
];
/// Stream and key of each fact, in the journal's order; a dead letter is stream 2.
const JOURNAL: [(i64, &str); 8] = [(0, "a"), (1, "a"), (1, "b"), (2, "x"), (1, "a"), (0, "b"), (2, "y"), (1, "b")];
/// The sequence of the dead letter that has everything, and of the one that has nothing.
const WHOLE: u128 = 4;
const BARE: u128 = 7;

/// A database and all that is published of it, once.
struct Case {
    folder: tempfile::TempDir,
    topics: Topics,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("inventory.db")).unwrap();
        connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
        for schema in SCHEMA {
            connection.execute_batch(schema).unwrap();
        }
        connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, 'a-log', 0)", []).unwrap();
        let mut topics = Topics::default();
        for (sequence, (stream, key)) in (1..).zip(JOURNAL) {
            if stream == 2 {
                dead_letter(&connection, sequence);
                topics.dlq.push(published_letter(sequence, topics.dlq.len()));
            } else {
                fact(&connection, sequence, stream, key);
                let topic = if stream == 0 { &mut topics.items } else { &mut topics.stock };
                topic.push(published_fact(sequence, key, topic.len()));
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        Self { folder, topics }
    }

    fn check(&self, endings: usize) -> Report {
        check(&self.folder.path().join("inventory.db"), &self.topics, endings)
    }

    fn plant(self, sql: &str) -> Self {
        let connection = Connection::open(self.folder.path().join("inventory.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        self
    }
}

fn body(sequence: i64, key: &str) -> String {
    let event_id = Uuid::from_u128(sequence.unsigned_abs().into());
    json!({"eventType": "Told", "eventId": event_id, "aggregateId": key, "sequence": sequence}).to_string()
}

fn fact(connection: &Connection, sequence: i64, stream: i64, key: &str) {
    let traceparent = (sequence == 2).then_some("00-trace");
    connection
        .execute(
            "INSERT INTO journal (sequence, stream, event_type, fact_index, log, log_offset, occurred_at, traceparent,
                 message) VALUES (?1, ?2, 'Told', 0, 1, ?1, ?1, ?3, ?4)",
            params![sequence, stream, traceparent, body(sequence, key)],
        )
        .unwrap();
}

fn dead_letter(connection: &Connection, sequence: i64) {
    let is_whole = sequence == 4;
    let (key, value) = if is_whole { (Some(&b"k\xff"[..]), Some(&b"\x00poison"[..])) } else { (None, None) };
    // "\xff", and a value that is null.
    let headers = if is_whole { r#"[["h","/w=="],["none",null],["dlq-id","b2xk"]]"# } else { "[]" };
    let id = Uuid::from_u128(sequence.unsigned_abs().into());
    let entry = "INSERT INTO journal (sequence, stream, event_type, fact_index, log, log_offset, occurred_at)
                 VALUES (?1, 2, 'DeadLettered', 0, 1, ?1, ?1)";
    connection.execute(entry, [sequence]).unwrap();
    connection
        .execute(
            "INSERT INTO dead_letters (dead_letter_id, sequence, code, detail, attempts, origin_topic, origin_partition,
                 origin_offset, log, key, value, headers, occurred_at)
             VALUES (?1, ?2, 'MALFORMED_MESSAGE', 'why', 1, 't', 0, ?2, 1, ?3, ?4, ?5, ?2)",
            params![id, sequence, key, value, headers],
        )
        .unwrap();
}

fn text(name: &str, value: &str) -> Header {
    (name.to_owned(), Some(value.as_bytes().to_vec()))
}

fn published_fact(sequence: i64, key: &str, offset: usize) -> Message {
    let mut headers = vec![
        text("event-type", "Told"),
        text("timestamp", &format!("1970-01-01T00:00:00.00{sequence}Z")),
        text("content-type", "application/json"),
        text("event-id", &Uuid::from_u128(sequence.unsigned_abs().into()).to_string()),
    ];
    if sequence == 2 {
        headers.push(text("traceparent", "00-trace"));
    }
    let (key, value) = (Some(key.as_bytes().to_vec()), Some(body(sequence, key).into_bytes()));
    Message { partition: 0, offset: offset.try_into().unwrap(), key, value, headers }
}

fn published_letter(sequence: i64, offset: usize) -> Message {
    let id = Uuid::from_u128(sequence.unsigned_abs().into());
    let mut headers = Vec::new();
    let (mut key, mut value) = (None, None);
    if sequence == 4 {
        (key, value) = (Some(b"k\xff".to_vec()), Some(b"\x00poison".to_vec()));
        headers = vec![("h".to_owned(), Some(vec![0xff])), ("none".to_owned(), None), text("dlq-id", "old")];
    }
    headers.extend([
        text("dlq-id", &id.to_string()),
        text("dlq-code", "MALFORMED_MESSAGE"),
        text("dlq-detail", "why"),
        text("dlq-attempts", "1"),
        text("dlq-origin-topic", "t"),
        text("dlq-origin-partition", "0"),
        text("dlq-origin-offset", &sequence.to_string()),
    ]);
    Message { partition: 0, offset: offset.try_into().unwrap(), key, value, headers }
}

type Change = fn(&mut Message);

/// What is red when the topics are changed so, without an end of the publisher.
#[track_caller]
fn assert_red(kind: &str, says: &str, change: fn(&mut Topics)) {
    let mut case = Case::new();
    change(&mut case.topics);
    assert_says(&case.check(0), kind, says);
}

#[track_caller]
fn assert_says(report: &Report, kind: &str, says: &str) {
    let all: Vec<_> = report.violations().collect();
    assert!(matches!(all[..], [(found, text)] if found == kind && text.contains(says)), "{kind} {says:?}: {report}");
}

/// Once more, behind all others.
fn again(topic: &mut Vec<Message>, index: usize) {
    let offset = topic.len().try_into().unwrap();
    topic.push(Message { offset, ..topic[index].clone() });
}

#[test]
fn what_is_published_once_and_in_order_is_clean() {
    let mut case = Case::new();
    let report = case.check(0);
    report.assert_clean();
    let counts = Counts { facts: 6, dead_letters: 2, unpublishable: 0, messages: 8, repeated: 0 };
    assert_eq!(report.counts, counts);
    case.topics.stock.reverse();
    case.check(0).assert_clean();
}

#[test]
fn a_missing_fact_is_lost() {
    assert_red("lost", "sequence 3", |topics| drop(topics.stock.remove(1)));
    assert_red("lost", "is not on items", |topics| drop(topics.items.pop()));
}

#[test]
fn a_repetition_needs_an_end_of_the_publisher() {
    let mut case = Case::new();
    for index in 0..4 {
        again(&mut case.topics.stock, index);
    }
    assert_eq!(case.check(0).twice.len(), 4);
    let report = case.check(1);
    report.assert_clean();
    assert_eq!(report.counts.repeated, 4);
    again(&mut case.topics.stock, 0);
    assert_says(&case.check(1), "twice", "is there 3 times, after 1 ends");
    assert_red("twice", "dlq-0@2", |topics| again(&mut topics.dlq, 0));
}

#[test]
fn what_the_journal_does_not_hold_is_invented() {
    assert_red("invented", "no event", |topics| topics.items.push(published_fact(9, "a", 9)));
    assert_red("invented", "no event", |topics| topics.items.push(published_fact(3, "b", 9)));
    assert_red("invented", "a tombstone", |topics| {
        topics.items.push(Message { value: None, ..published_fact(1, "a", 9) });
    });
    assert_red("invented", "no fact", |topics| {
        topics.stock.push(Message { value: Some(b"{}".to_vec()), ..published_fact(1, "a", 9) });
    });
}

/// A message that is not the journal's is invented, and the one that it should have been is lost.
#[track_caller]
fn assert_differs(says: &str, change: Change) {
    let mut case = Case::new();
    change(&mut case.topics.stock[0]);
    let report = case.check(0);
    assert!(matches!(&report.invented[..], [text] if text.contains(says)), "{report}");
    assert_eq!(report.lost.len(), 1, "{report}");
}

#[test]
fn another_body_key_or_header_than_the_journals_is_found() {
    assert_differs("the body of sequence 2", |message| message.value.as_mut().unwrap().push(b' '));
    assert_differs("the key of sequence 2", |message| message.key = Some(b"b".to_vec()));
    assert_differs("the key of sequence 2", |message| message.key = None);
    assert_differs("a header of sequence 2", |message| drop(message.headers.pop()));
    assert_differs("a header of sequence 2", |message| message.headers[1] = text("timestamp", "now"));
    assert_differs("a header of sequence 2", |message| message.headers.push(text("event-type", "Told")));
}

#[test]
fn another_order_than_the_journals_is_found() {
    let swap = |topics: &mut Topics| {
        topics.stock[0].offset = 2;
        topics.stock[2].offset = 0;
    };
    assert_red("order", "sequence 2 comes after 5", swap);
    assert_red("order", "is on partition 0 too", |topics| topics.stock[2].partition = 1);
    assert_red("order", "sequence 4 comes after 7", |topics| topics.dlq[0].offset = 9);
    // Other keys may be apart, and what comes again may be behind what followed it.
    let mut case = Case::new();
    case.topics.stock[1].offset = 2;
    case.topics.stock[2].offset = 1;
    again(&mut case.topics.stock, 0);
    case.check(1).assert_clean();
}

#[test]
fn dead_letters_are_those_of_the_table_as_they_came() {
    assert_red("dead letters", "sequence 7", |topics| drop(topics.dlq.pop()));
    assert_red("dead letters", "no dead letter", |topics| {
        let mut second = Message { offset: 9, ..topics.dlq[0].clone() };
        second.headers[3] = text("dlq-id", &Uuid::from_u128(99).to_string());
        topics.dlq.push(second);
    });
    assert_red("dead letters", "it has no dlq-id", |topics| topics.dlq.push(published_fact(1, "a", 9)));
    let changes: [(&str, Change); 4] = [
        ("the key", |message| message.key = None),
        ("the value", |message| message.value = Some(b"poison".to_vec())),
        ("a header", |message| drop(message.headers.remove(0))),
        ("a header", |message| message.headers[1].1 = Some(Vec::new())),
    ];
    for (says, change) in changes {
        let mut case = Case::new();
        change(&mut case.topics.dlq[0]);
        let report = case.check(0);
        let found = report.dead_letters.iter().any(|text| text.contains(&format!("{says} of {}", id(WHOLE))));
        assert!(found && report.dead_letters.len() == 2, "{says}: {report}");
    }
}

#[test]
fn a_dead_letter_that_the_broker_refused_need_not_be_there() {
    let mut case = Case::new().plant("UPDATE dead_letters SET publish_error = 'too large' WHERE sequence = 7");
    case.check(0).assert_clean();
    case.topics.dlq.pop();
    let report = case.check(0);
    report.assert_clean();
    assert_eq!(report.counts.unpublishable, 1);
    case.topics.dlq.pop();
    assert_says(&case.check(0), "dead letters", "sequence 4");
}

#[test]
fn two_dead_letters_of_one_message_are_found() {
    let case = Case::new().plant("UPDATE dead_letters SET origin_offset = 4");
    let report = case.check(0);
    let says = format!("{}: another one is of the same message", id(BARE));
    assert!(report.dead_letters.iter().any(|text| text.starts_with(&says)), "{report}");
}

fn id(sequence: u128) -> Uuid {
    Uuid::from_u128(sequence)
}
