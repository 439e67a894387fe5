//! The checker, tried on a small database as the writer would leave it: clean as it is, and red in the right place
//! for each fault that is planted in it.

use std::path::PathBuf;

use rusqlite::{Connection, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::message::{Fact, FactEnvelope, ItemDetails, LevelAfter};
use shared::text::{Name, Sku, StoreId};

use super::*;

const SCHEMA: &str = include_str!("../../../../listener-service/src/schema/0001_initial.sql");
const LOG: &str = "a-log";
/// Where the poison stands in the log.
const POISON: i64 = 7;

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    connection: Connection,
    history: History,
    sequence: i64,
    offset: i64,
}

fn item(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).expect("valid"))
}

fn details(sku: &str) -> ItemDetails {
    let name = Name::parse("A cable").expect("valid");
    ItemDetails { item_id: item(sku), sku: Sku::parse(sku).expect("valid"), name, description: None }
}

fn level(sku: &str, total: i64, reserved: i64) -> LevelAfter {
    LevelAfter {
        item_id: item(sku),
        sku: Sku::parse(sku).expect("valid"),
        store_id: StoreId::main(),
        total_quantity: total,
        reserved_total: reserved,
        available_quantity: total - reserved,
    }
}

fn adjusted(sku: &str, change: i64, total: i64, reserved: i64) -> Fact {
    let level = level(sku, total, reserved);
    Fact::StockAdjusted {
        adjustment: change,
        previous_quantity: total - change,
        new_quantity: total,
        level,
        reason: None,
        reference: None,
    }
}

fn reserved(sku: &str, units: i64, total: i64, reserved: i64) -> Fact {
    let reservation_id = ReservationId::parse("123e4567-e89b-12d3-a456-426614174000").expect("valid");
    Fact::StockReserved { level: level(sku, total, reserved), reserved_quantity: units, reservation_id }
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("PRAGMA journal_mode = WAL").expect("WAL");
        connection.execute_batch(SCHEMA).expect("the schema");
        connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, ?, 0)", [LOG]).expect("a log");
        let history = History { complete: true, ..History::default() };
        let mut fixture = Self { _folder: folder, path, connection, history, sequence: 0, offset: 0 };
        fixture.fill();
        fixture
    }

    /// Two items; one is sold from, the other deleted. Offsets have holes.
    fn fill(&mut self) {
        self.command(
            "ItemCreationRequested",
            "A",
            &[(1, Fact::ItemCreated(details("A"))), (1, adjusted("A", 10, 10, 0))],
        );
        self.command("StockReservationRequested", "A", &[(2, reserved("A", 8, 10, 8))]);
        let released = Fact::StockReleased { level: level("A", 10, 5), released_quantity: 3 };
        self.command("StockReleaseRequested", "A", &[(3, released)]);
        self.poison();
        self.command("StockAdjustmentRequested", "A", &[(4, adjusted("A", -2, 8, 5))]);
        let code = "INSUFFICIENT_STOCK";
        let rejected = Fact::CommandRejected {
            item_id: item("A"),
            request_type: "StockReservationRequested",
            code,
            detail: "3 available, 4 requested".to_owned(),
        };
        self.command("StockReservationRequested", "A", &[(4, rejected)]);
        self.command(
            "ItemCreationRequested",
            "B",
            &[(1, Fact::ItemCreated(details("B"))), (1, adjusted("B", 1, 1, 0))],
        );
        self.command("ItemUpdateRequested", "B", &[(2, Fact::ItemUpdated(details("B")))]);
        let deleted = Fact::ItemDeleted { item_id: item("B"), sku: Sku::parse("B").expect("valid") };
        self.command("ItemDeletionRequested", "B", &[(2, adjusted("B", -1, 0, 0)), (3, deleted)]);
        self.tables();
    }

    fn command(&mut self, request_type: &str, sku: &str, facts: &[(u64, Fact)]) {
        let command = CommandId::fresh();
        self.offset += 2;
        for (index, (version, fact)) in (0..).zip(facts) {
            self.fact(command, index, sku, *version, fact);
        }
        let named = facts.iter().rfind(|(_, fact)| fact.event_type().starts_with("Inventory")).or(facts.last());
        let (version, fact) = named.expect("a command has facts");
        let rejection = if let Fact::CommandRejected { code, .. } = fact { Some(*code) } else { None };
        let (status, version) = if rejection.is_some() { ("rejected", None) } else { ("applied", Some(*version)) };
        let id = command.uuid();
        self.connection
            .execute(
                "INSERT INTO outcomes (command_id, status, type, item_id, version, sequence, applied_at, code,
                     idempotency_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    id.as_bytes(),
                    status,
                    request_type,
                    item(sku).uuid().as_bytes(),
                    version.map(u64::cast_signed),
                    self.sequence,
                    self.sequence,
                    rejection,
                    id.as_bytes()
                ],
            )
            .expect("an outcome");
        let (item_id, expected_type) = (item(sku), request_type.to_owned());
        let sent = Sent { command_id: Some(command), item_id, expected_type, accepted: true, unknown: false };
        self.history.commands.push(sent);
    }

    fn fact(&mut self, command: CommandId, index: u32, sku: &str, version: u64, fact: &Fact) {
        self.sequence += 1;
        let envelope = FactEnvelope {
            event_type: fact.event_type(),
            event_id: EventId::of_fact(command, index),
            aggregate_id: item(sku),
            occurred_at: Timestamp::from_millis(self.sequence),
            version: 1,
            command_id: command,
            correlation_id: "c",
            aggregate_version: version,
            sequence: self.sequence.cast_unsigned(),
            causation_id: EventId::of_request(command),
            data: fact,
        };
        let message = serde_json::to_string(&envelope).expect("JSON");
        let read: super::fact::Message = serde_json::from_str(&message).expect("as it is read");
        self.connection
            .execute(
                "INSERT INTO journal (sequence, stream, event_type, item_id, command_id, fact_index, log, log_offset,
                     occurred_at, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?1, ?8)",
                params![
                    self.sequence,
                    read.change.stream(),
                    fact.event_type(),
                    item(sku).uuid().as_bytes(),
                    command.uuid().as_bytes(),
                    index,
                    self.offset,
                    message
                ],
            )
            .expect("an entry");
    }

    fn poison(&mut self) {
        self.sequence += 1;
        self.offset = POISON;
        self.dead_letter(self.sequence, POISON);
        self.history.poison.push(Origin { log: LOG.to_owned(), partition: 0, offset: POISON });
    }

    fn dead_letter(&self, sequence: i64, offset: i64) {
        let id = shared::id::random();
        self.connection
            .execute(
                "INSERT INTO journal (sequence, stream, event_type, fact_index, log, log_offset, occurred_at)
                 VALUES (?1, 2, 'DeadLettered', 0, 1, ?2, ?1)",
                params![sequence, offset],
            )
            .expect("an entry");
        self.connection
            .execute(
                "INSERT INTO dead_letters (dead_letter_id, sequence, code, detail, attempts, origin_topic,
                     origin_partition, origin_offset, log, headers, occurred_at)
                 VALUES (?1, ?2, 'MALFORMED_MESSAGE', '', 1, 't', 0, ?3, 1, '[]', ?2)",
                params![id.as_bytes(), sequence, offset],
            )
            .expect("a dead letter");
    }

    /// What the state is after all that.
    fn tables(&self) {
        let (a, b) = (item("A").uuid(), item("B").uuid());
        let rows = "INSERT INTO items (item_id, sku, name, description, version, deleted, created_at, updated_at)
            VALUES (?1, 'A', 'A cable', NULL, 1, 0, 1, 1), (?2, 'B', 'A cable', NULL, 3, 1, 8, 12)";
        self.connection.execute(rows, params![a.as_bytes(), b.as_bytes()]).expect("items");
        let rows = "INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at)
            VALUES (?1, 'main', 8, 5, 4, 6), (?2, 'main', 0, 0, 2, 11)";
        self.connection.execute(rows, params![a.as_bytes(), b.as_bytes()]).expect("levels");
        for term in shared::search::terms("A", "A cable") {
            self.connection
                .execute("INSERT INTO item_terms (term, item_id) VALUES (?, ?)", params![term, a.as_bytes()])
                .expect("a term");
        }
        let rest = "UPDATE logs SET next_offset = 30;
                    UPDATE progress SET items = 1, applied = 7, rejected = 1, dead_lettered = 1, last_time = 12;";
        self.connection.execute_batch(rest).expect("position and counters");
    }

    fn check(&self) -> Report {
        check(&self.path, &self.history)
    }

    /// Plants a fault, constraints or not.
    fn plant(self, sql: &str) -> Self {
        let off = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;";
        self.connection.execute_batch(&format!("{off}{sql}")).expect("the fault can be planted");
        self
    }
}

fn planted(sql: &str) -> Report {
    Fixture::new().plant(sql).check()
}

/// `report` names a violation of this kind that says this.
#[track_caller]
fn assert_red(report: &Report, kind: &str, says: &str) {
    let found = report.violations().any(|(found, text)| found == kind && text.contains(says));
    assert!(found, "no {kind} that says {says:?} in\n{report}");
}

#[test]
fn a_database_as_the_writer_leaves_it_is_clean() {
    let report = Fixture::new().check();
    report.assert_clean();
    let counts = Counts { sent: 8, accepted: 8, unknown: 0, journal: 12, applied: 7, rejected: 1, dead_letters: 1 };
    assert_eq!(report.counts, counts);
}

#[test]
fn a_deleted_outcome_is_a_lost_command() {
    let report = planted("DELETE FROM outcomes WHERE sequence = 3");
    assert_red(&report, "lost", "no outcome");
    let nothing = "DELETE FROM outcomes WHERE sequence = 7; DELETE FROM journal WHERE sequence = 7";
    assert_red(&planted(nothing), "lost", "was accepted and has no outcome");
}

#[test]
fn outcomes_older_than_the_retention_may_be_gone() {
    let report = planted("DELETE FROM outcomes WHERE sequence <= 4; UPDATE progress SET purged = 4");
    report.assert_clean();
}

#[test]
fn a_dropped_fact_is_found() {
    let report = planted("DELETE FROM journal WHERE sequence = 1");
    assert_red(&report, "lost", "fact 0 is missing");
    let report = planted("DELETE FROM journal WHERE sequence = 6");
    assert_red(&report, "versions", "");
    assert_red(&report, "conservation", "changes add up to 10 on hand");
    assert_red(&report, "rebuild", "level");
    assert_red(&report, "integrity", "nothing before sequence 7");
}

#[test]
fn an_event_applied_twice_is_found() {
    let report = planted(
        "INSERT INTO journal (sequence, stream, event_type, item_id, command_id, fact_index, log, log_offset,
             occurred_at, message)
         SELECT 13, stream, event_type, item_id, command_id, fact_index, log, 29, 13, json_set(message, '$.sequence', 13, '$.occurredAt', '1970-01-01T00:00:00.013Z') FROM journal WHERE sequence = 3;
         UPDATE progress SET last_time = 13",
    );
    assert_red(&report, "twice", "fact 0 again at sequence 13");
    assert_red(&report, "twice", "applied at several positions");
    assert_red(&report, "versions", "version 2 follows 4");
    assert_red(&report, "oversold", "13 of 8 reserved");
}

#[test]
fn two_commands_under_one_idempotency_key_are_found() {
    let report = planted(
        "UPDATE outcomes SET idempotency_id = (SELECT idempotency_id FROM outcomes WHERE sequence = 3) WHERE sequence = 4",
    );
    assert_red(&report, "twice", "both stand for");
}

#[test]
fn what_nobody_asked_for_is_invented() {
    let mut fixture = Fixture::new();
    let forgotten = fixture.history.commands.remove(3);
    assert_red(&fixture.check(), "invented", "nobody sent it");
    fixture.history.complete = false;
    fixture.check().assert_clean();
    fixture.history.complete = true;
    fixture.history.commands.push(Sent { accepted: false, ..forgotten.clone() });
    assert_red(&fixture.check(), "invented", "was refused");
    fixture.history.commands.pop();
    let unknown = Sent { command_id: None, accepted: false, unknown: true, ..forgotten };
    fixture.history.commands.push(unknown.clone());
    fixture.check().assert_clean();
    fixture.history.commands.pop();
    fixture.history.commands.push(Sent { item_id: item("B"), ..unknown });
    assert_red(&fixture.check(), "invented", "nobody sent it");
}

#[test]
fn an_outcome_that_the_journal_contradicts_is_found() {
    assert_red(&planted("UPDATE outcomes SET status = 'applied' WHERE sequence = 7"), "invented", "says rejected");
    assert_red(&planted("UPDATE outcomes SET code = 'OTHER' WHERE sequence = 7"), "invented", "its code");
    assert_red(&planted("UPDATE outcomes SET sequence = 99 WHERE sequence = 7"), "invented", "its sequence");
    assert_red(&planted("UPDATE outcomes SET version = 9 WHERE sequence = 3"), "versions", "the outcome's version");
    assert_red(
        &planted("UPDATE outcomes SET type = 'Other' WHERE sequence = 3"),
        "invented",
        "the outcome is of Other",
    );
    let dead = "UPDATE outcomes SET status = 'dead_lettered', dead_letter_id = randomblob(16) WHERE sequence = 3";
    assert_red(&planted(dead), "invented", "no such dead letter");
}

#[test]
fn a_position_that_went_back_is_found() {
    assert_red(&planted("UPDATE logs SET next_offset = 17"), "position", "offset 17 was applied");
    assert_red(&planted("UPDATE logs SET next_offset = NULL"), "position", "None");
    let report = planted("UPDATE journal SET log_offset = 1 WHERE sequence = 6");
    assert_red(&report, "position", "is of offset 1");
    assert_red(&report, "order", "comes after");
    assert_red(&planted("UPDATE journal SET log_offset = 4 WHERE sequence = 4"), "position", "offset 4 stands for");
}

#[test]
fn an_oversell_in_the_middle_is_found_though_the_end_is_right() {
    let set = |sequence, field: &str, value| {
        format!(
            "UPDATE journal SET message = json_set(message, '$.data.{field}', {value}) WHERE sequence = {sequence};"
        )
    };
    let sql = [set(3, "reservedQuantity", 11), set(3, "reservedTotal", 11), set(3, "availableQuantity", -1)].concat();
    let report = planted(&(sql + &set(4, "releasedQuantity", 6)));
    assert_red(&report, "oversold", "sequence 3: A at main: 11 of 10 reserved");
    assert_eq!(report.violations().count(), 1, "{report}");
}

#[test]
fn a_skipped_version_is_found() {
    let skip = "UPDATE journal SET message = json_set(message, '$.aggregateVersion', 5) WHERE sequence = 6;
                UPDATE outcomes SET version = 5 WHERE sequence = 6; UPDATE stock_levels SET version = 5 WHERE version = 4";
    assert_red(&planted(skip), "versions", "version 5 follows 3");
    assert_red(&planted("UPDATE items SET version = 2 WHERE sku = 'A'"), "versions", "version 2 is stored");
}

#[test]
fn a_level_that_was_changed_behind_the_journal_is_found() {
    let report = planted("UPDATE stock_levels SET quantity = 9 WHERE quantity = 8");
    assert_red(&report, "conservation", "changes add up to 8 on hand");
    assert_red(&report, "conservation", "in total");
    assert_red(&report, "rebuild", "level");
    assert_red(&planted("DELETE FROM stock_levels WHERE quantity = 8"), "conservation", "stored are nothing");
}

#[test]
fn a_fact_that_tells_wrong_numbers_is_found() {
    let wrong = "UPDATE journal SET message = json_set(message, '$.data.previousQuantity', 3) WHERE sequence = 6";
    assert_red(&planted(wrong), "conservation", "it says 3 became 8");
    let wrong = "UPDATE journal SET message = json_set(message, '$.data.totalQuantity', 3) WHERE sequence = 6";
    assert_red(&planted(wrong), "conservation", "it tells");
}

#[test]
fn spurious_missing_and_double_dead_letters_are_found() {
    let fixture = Fixture::new();
    fixture.dead_letter(13, 25);
    let report = fixture.plant("UPDATE progress SET last_time = 13, dead_lettered = 2").check();
    assert_red(&report, "dead letters", "a good message became a dead letter");
    let fixture = Fixture::new();
    fixture.dead_letter(13, POISON);
    assert_red(&fixture.check(), "dead letters", "a second dead letter");
    let gone = "DELETE FROM dead_letters; DELETE FROM journal WHERE stream = 2";
    assert_red(&planted(gone), "dead letters", "is no dead letter");
    assert_red(&planted("DELETE FROM dead_letters"), "dead letters", "an entry without a dead letter");
    assert_red(&planted("UPDATE dead_letters SET sequence = 40"), "dead letters", "is not what the journal has");
}

#[test]
fn tables_that_the_journal_does_not_give_are_found() {
    assert_red(&planted("UPDATE items SET name = 'Other' WHERE sku = 'A'"), "rebuild", "item");
    assert_red(&planted("UPDATE items SET created_at = 0 WHERE sku = 'B'"), "rebuild", "item");
    assert_red(&planted("UPDATE items SET deleted = 0 WHERE sku = 'B'"), "rebuild", "item");
    assert_red(&planted("DELETE FROM item_terms"), "rebuild", "search terms");
    assert_red(&planted("UPDATE progress SET applied = 8"), "rebuild", "progress.applied is 8, counted are 7");
    assert_red(&planted("UPDATE progress SET published = 99"), "position", "the journal ends at 12");
}

#[test]
fn an_entry_that_contradicts_its_message_is_found() {
    assert_red(&planted("UPDATE journal SET fact_index = 1 WHERE sequence = 3"), "integrity", "event id");
    assert_red(&planted("UPDATE journal SET stream = 0 WHERE sequence = 3"), "integrity", "stream is 0");
    assert_red(&planted("UPDATE journal SET message = '{}' WHERE sequence = 3"), "integrity", "cannot be read");
    assert_red(&planted("UPDATE journal SET occurred_at = 1 WHERE sequence = 3"), "order", "time went back");
}

#[test]
fn sqlites_own_check_is_asked() {
    let stricter = "PRAGMA writable_schema = ON; UPDATE sqlite_schema
                    SET sql = replace(sql, 'traceparent TEXT', 'traceparent TEXT NOT NULL') WHERE name = 'journal'";
    assert_red(&planted(stricter), "integrity", "NULL value in journal.traceparent");
    assert_red(&planted("UPDATE journal SET log = 7 WHERE sequence = 3"), "integrity", "refers to nothing");
}
