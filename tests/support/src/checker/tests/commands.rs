//! Commands, expiries and opening holds: one effect each, asked for or following from something, in the log's order.

use super::fixture::{Fixture, chosen, hex, item};
use super::story::of_item;
use super::*;

#[test]
fn a_deleted_outcome_is_a_lost_command() {
    assert_red(&planted("DELETE FROM outcomes WHERE sequence = 10"), "lost", "no outcome");
    let nothing = "DELETE FROM outcomes WHERE sequence = 11; DELETE FROM journal WHERE sequence = 11";
    assert_red(&planted(nothing), "lost", "was accepted and has no outcome");
}

#[test]
fn outcomes_older_than_the_retention_may_be_gone() {
    planted("DELETE FROM outcomes WHERE sequence <= 44; UPDATE progress SET purged = 44").assert_clean();
}

#[test]
fn a_dropped_fact_is_found() {
    assert_red(&planted("DELETE FROM journal WHERE sequence = 1"), "lost", "fact 0 is missing");
    assert_red(&planted("DELETE FROM journal WHERE sequence = 38"), "lost", "fact 0 is missing");
    let report = planted("DELETE FROM journal WHERE sequence = 10");
    assert_red(&report, "versions", "version 5 follows 3");
    assert_red(&report, "conservation", "changes add up to 9 on hand");
    assert_red(&report, "rebuild", "level");
    assert_red(&report, "integrity", "nothing before sequence 11");
}

#[test]
fn what_is_applied_twice_is_found() {
    let report = planted(&again(10..=10, 52));
    assert_red(&report, "twice", "fact 0 again at sequence 62");
    assert_red(&report, "twice", "applied at several positions");
    assert_red(&report, "order", "does not follow the one before");
    assert_red(&report, "versions", "version 4 follows 11");
    let report = planted(&again(38..=40, 24));
    assert_red(&report, "twice", &format!("the expiry of {}: fact 0 again at sequence 62", chosen(2)));
    assert_red(&report, "reservations", "ReservationExpired after it was expired");
    let opened = story::migrated().plant(&again(5..=5, 3)).check();
    assert_red(&opened, "twice", "the opening hold");
    assert_red(&opened, "invented", "is of an era that was over: Opening reservations, after Since");
}

#[test]
fn a_command_that_was_applied_and_rejected_is_found() {
    let rejected = "(SELECT command_id FROM journal WHERE sequence = 11)";
    let both = format!("UPDATE journal SET command_id = {rejected} WHERE sequence = 10");
    let report = planted(&both);
    assert_red(&report, "twice", "a rejection and 1 more facts");
}

#[test]
fn facts_of_one_command_that_are_apart_are_found() {
    let apart = "UPDATE journal SET sequence = 62, message = json_set(message, '$.sequence', 62) WHERE sequence = 33";
    assert_red(&planted(apart), "order", "fact 3 at sequence 62 does not follow the one before");
    let swapped = "UPDATE journal SET fact_index = 1 - fact_index WHERE sequence IN (34, 35)";
    assert_red(&planted(swapped), "order", "fact 0 at sequence 35 does not follow the one before");
}

#[test]
fn two_commands_under_one_idempotency_key_are_found() {
    let report = planted(
        "UPDATE outcomes SET idempotency_id = (SELECT idempotency_id FROM outcomes WHERE sequence = 6) WHERE sequence = 10",
    );
    assert_red(&report, "twice", "both stand for");
}

#[test]
fn what_nobody_asked_for_is_invented() {
    let mut fixture = story::complete();
    let forgotten = fixture.history.commands.remove(13);
    assert_eq!(forgotten.of, AggregateId::Reservation(chosen(2)));
    assert_red(&fixture.check(), "invented", "nobody sent it");
    fixture.history.complete = false;
    fixture.check().assert_clean();
    fixture.history.complete = true;
    fixture.history.commands.push(Sent { accepted: false, ..forgotten.clone() });
    assert_red(&fixture.check(), "invented", "was refused");
    fixture.history.commands.pop();
    let unknown = Sent { command_id: None, accepted: false, unknown: true, ..forgotten.clone() };
    fixture.history.commands.push(unknown.clone());
    fixture.check().assert_clean();
    fixture.history.commands.pop();
    fixture.history.commands.push(Sent { of: of_item("B"), ..unknown });
    assert_red(&fixture.check(), "invented", "nobody sent it");
    fixture.history.commands.push(Sent { of: of_item("B"), ..forgotten });
    assert_red(&fixture.check(), "invented", "the outcome is of ReservationRequested");
    let mut fixture = story::complete();
    fixture.history.commands[0].command_id = None;
    assert_red(&fixture.check(), "lost", "a 202 without a command id");
}

#[test]
fn an_expiry_follows_from_a_recorded_deadline_and_from_nothing_else() {
    let all = |field: &str, value: &str| [38, 39, 40].map(|sequence| in_message(sequence, field, value)).concat();
    let asked = "(SELECT command_id FROM journal WHERE sequence = 25)";
    let by_command = format!("UPDATE journal SET command_id = {asked} WHERE sequence BETWEEN 38 AND 40;");
    let of_another = set(38, "reservationId", &format!("'{}'", chosen(3)));
    let later = [set(29, "expiresAt", &time(21)), set(38, "expiresAt", &time(21))].concat();
    let nothing = "UPDATE journal SET command_id = NULL WHERE sequence = 10;";
    let no_expiry = in_message(10, "correlationId", &format!("'{}'", chosen(3)));
    assert_each_red(
        story::complete,
        "invented",
        &[
            (in_message(39, "causationId", &format!("'{}'", chosen(3))), "follows from something else"),
            (all("causationId", "(SELECT message ->> '$.eventId' FROM journal WHERE sequence = 25)"), "something else"),
            (in_message(40, "actor", "'tester'"), "is somebody's act"),
            (later, "expires at 20000, before its deadline Some(21000)"),
            (by_command + &all("commandId", &format!("'{}'", fixture::command(14))), "somebody asked for an expiry"),
            (of_another, "which is not told to expire"),
            (retyped(38, "ReservationReleased"), "that tells of 1 reservations"),
            (
                retyped(40, "ReservationReleased")
                    + &in_message(40, "data", "(SELECT message -> '$.data' FROM journal WHERE sequence = 48)"),
                "that tells of 2 reservations",
            ),
            (format!("{nothing} {}", in_message(10, "commandId", "NULL")), "it follows from nothing"),
            (format!("{nothing} {} {no_expiry}", in_message(10, "commandId", "NULL")), "which is not told to expire"),
        ],
    );
}

#[test]
fn a_hold_is_opened_of_what_was_reserved_and_of_nothing_else() {
    let forged = "UPDATE journal SET aggregate_id = zeroblob(16) WHERE sequence = 5;";
    let nil = "'00000000-0000-0000-0000-000000000000'";
    let forged = [forged, &set(5, "reservationId", nil), &in_message(5, "aggregateId", nil)].concat();
    let line = "json('{\"itemId\":\"00000000-0000-0000-0000-000000000000\",\"sku\":\"A\",\"quantity\":1,\"confirmed\":0,\"released\":0}')";
    assert_each_red(
        story::migrated,
        "invented",
        &[
            (set(5, "lines[0].quantity", "4"), "is of 4 units, 5 are reserved"),
            (set(5, "simple", "json('false')"), "is of 5 units"),
            (set(5, "storeId", "'north'"), "is of 5 units, 0 are reserved"),
            (set(5, "lines[1]", line), "has 2 lines"),
            (forged, "should be"),
            (in_message(5, "actor", "'tester'"), "follows from something else than itself"),
            (in_message(5, "causationId", nil), "follows from something else than itself"),
            (in_message(4, "actor", "'tester'"), "is of an era that was over: Opening reservations, after Since"),
            ("UPDATE journal SET message = json_remove(message, '$.actor') WHERE sequence > 5".to_owned(), "era"),
        ],
    );
    let none = "DELETE FROM journal WHERE sequence = 5";
    assert_red(&story::migrated().plant(none).check(), "conservation", "before sequence 6");
    let none = "DELETE FROM journal WHERE sequence >= 5";
    assert_red(&story::migrated().plant(none).check(), "conservation", "at the end");
    let other = in_message(5, "eventId", nil);
    assert_red(&story::migrated().plant(&other).check(), "integrity", "event id");
}

#[test]
fn facts_that_a_request_cannot_cause_are_found() {
    let of_type =
        |sequence: i64, kind: &str| format!("UPDATE outcomes SET type = '{kind}' WHERE sequence = {sequence}");
    let gone = |sequence: i64| format!("DELETE FROM journal WHERE sequence = {sequence}");
    assert_each_red(
        story::complete,
        "invented",
        &[
            (of_type(10, "StockCountRequested"), "StockCountRequested may not cause [\"StockAdjusted\"]"),
            (of_type(29, "ReservationRequested"), "may not cause [\"ReservationExtended\"]"),
            (of_type(41, "StoreCreationRequested"), "may not cause [\"StoreUpdated\"]"),
            (of_type(10, "Other"), "Other may not cause"),
            (gone(23), "StockCountRequested may not cause"),
            (gone(21), "StockTransferRequested may not cause"),
            (gone(26), "ReservationRequested may not cause"),
            (gone(39), "it may not cause"),
            (retyped(14, "InventoryItemCreated"), "ItemUpdateRequested may not cause"),
            (retyped(48, "ReservationConfirmed"), "ReservationReleaseRequested may not cause"),
            // An edge is told after what crossed it.
            (retyped(36, "StockDepleted"), "ReservationConfirmationRequested may not cause"),
            (
                "DELETE FROM outcomes; ".to_owned() + &retyped(10, "StockDepleted"),
                "it may not cause [\"StockDepleted\"]",
            ),
        ],
    );
    let today = in_message(3, "actor", "'tester'");
    assert_red(&story::migrated().plant(&today).check(), "invented", "StockReservationRequested may not cause");
}

#[test]
fn an_outcome_that_the_journal_contradicts_is_found() {
    let b = hex(item("B").uuid());
    let rejected = |field: &str, value: &str| set(11, field, value);
    assert_each_red(
        story::complete,
        "invented",
        &[
            ("UPDATE outcomes SET status = 'applied' WHERE sequence = 11".to_owned(), "says rejected"),
            ("UPDATE outcomes SET code = 'OTHER' WHERE sequence = 11".to_owned(), "its code"),
            ("UPDATE outcomes SET sequence = 99 WHERE sequence = 11".to_owned(), "its sequence"),
            ("UPDATE outcomes SET type = 'Other' WHERE sequence = 10".to_owned(), "the outcome is of Other"),
            (format!("UPDATE outcomes SET aggregate_id = {b} WHERE sequence = 10"), "in the journal of"),
            ("UPDATE outcomes SET aggregate = 1 WHERE sequence = 10".to_owned(), "it is of Some(Reservation("),
            ("UPDATE outcomes SET aggregate = 2 WHERE sequence = 10".to_owned(), "it is of None"),
            (
                format!("UPDATE outcomes SET aggregate = 0, aggregate_id = {b} WHERE sequence = 37"),
                "it is of Some(Item(",
            ),
            (rejected("requestType", "'StockReleaseRequested'"), "in the journal of a StockReleaseRequested"),
            (rejected("requestType", "'ReservationRequested'"), "was rejected of Some(Item)"),
            (rejected("storeId", "'main'"), "was rejected of None"),
            (rejected("code", "'NO_SUCH'"), "which is no rule"),
            (
                "UPDATE outcomes SET status = 'dead_lettered', dead_letter_id = randomblob(16) WHERE sequence = 10"
                    .to_owned(),
                "no such dead letter",
            ),
        ],
    );
    let dead =
        "UPDATE outcomes SET status = 'dead_lettered', dead_letter_id = (SELECT dead_letter_id FROM dead_letters)
                WHERE sequence = 10;";
    assert_each_red(
        story::complete,
        "invented",
        &[
            (dead.to_owned(), "the journal holds facts of it"),
            (format!("{dead} DELETE FROM journal WHERE sequence = 10"), "its sequence is not the dead letter's"),
            ("DELETE FROM journal WHERE sequence = 10".to_owned(), "the journal holds nothing of it"),
        ],
    );
    let version = |sequence: i64| format!("UPDATE outcomes SET version = 9 WHERE sequence = {sequence}");
    // Of an adjustment, a transfer, a count, settings, a creation, a reservation, a simple one, two stores.
    let faults =
        [10, 21, 23, 24, 18, 37, 6, 3, 41].map(|sequence| (version(sequence), "the outcome's version is Some(9)"));
    assert_each_red(story::complete, "versions", &faults);
    let target = "UPDATE outcomes SET version = 1 WHERE sequence = 21";
    assert_red(&planted(target), "versions", "the outcome's version is Some(1), not Some(2)");
}

#[test]
fn a_position_that_went_back_is_found() {
    let next = |offset: &str| format!("UPDATE logs SET next_offset = {offset};");
    let moved = |by: &str, sequences: &str| {
        format!("UPDATE journal SET log_offset = log_offset {by} WHERE sequence IN ({sequences});")
    };
    let ends_there = "DELETE FROM journal WHERE sequence > 40;".to_owned();
    assert_each_red(
        story::complete,
        "position",
        &[
            (next("17"), "offset 56 was applied"),
            (next("NULL"), "None"),
            ("UPDATE journal SET log_offset = 1 WHERE sequence = 10".to_owned(), "sequence 10 is of offset 1"),
            ("UPDATE journal SET log_offset = 4 WHERE sequence = 4".to_owned(), "offset 4 stands for"),
            // An expiry stands for no message, and is not behind one either.
            (moved("- 1", "38, 39, 40"), "sequence 38 is of offset 36, sequence 37 before it of offset 36"),
            (moved("+ 2", "38, 39, 40"), "sequence 41 is of offset 38, sequence 40 before it of offset 39"),
            (moved("- 1", "39, 40"), "sequence 39 is of offset 36"),
            (
                ends_there + &moved("+ 9", "38, 39, 40") + &next("45"),
                "offset 46 was to be next, the position is Some(45)",
            ),
        ],
    );
    let report = planted("UPDATE journal SET log_offset = 1 WHERE sequence = 10");
    assert_red(&report, "order", "comes after");
    let next_to_apply = moved("+ 1", "38, 39, 40");
    planted(&next_to_apply).assert_clean();
}

#[test]
fn spurious_missing_and_double_dead_letters_are_found() {
    let letter = |offset: i64| {
        let fixture: Fixture = story::complete();
        fixture.dead_letter(62, offset, 29_000);
        fixture.plant("UPDATE progress SET dead_lettered = 2").check()
    };
    assert_red(&letter(59), "dead letters", "a good message became a dead letter");
    let poison = story::complete().history.poison[0].offset;
    assert_red(&letter(poison), "dead letters", "a second dead letter");
    assert_each_red(
        story::complete,
        "dead letters",
        &[
            ("DELETE FROM dead_letters; DELETE FROM journal WHERE stream = 2", "is no dead letter"),
            ("DELETE FROM dead_letters", "an entry without a dead letter"),
            ("UPDATE dead_letters SET sequence = 70", "is not what the journal has"),
        ],
    );
}

#[test]
fn an_entry_that_contradicts_its_message_is_found() {
    let column = |column: &str, sequence: i64| format!("UPDATE journal SET {column} WHERE sequence = {sequence}");
    assert_each_red(
        story::complete,
        "integrity",
        &[
            (column("fact_index = 1", 10), "event id"),
            (column("fact_index = 5", 39), "event id"),
            (column("stream = 0", 10), "stream is 0"),
            (column("stream = 1", 41), "stream is 1"),
            (column("stream = 1", 61), "stream is 1"),
            (column("message = NULL", 10), "StockAdjusted on stream 1 without a message"),
            (column("message = '{}'", 10), "cannot be read"),
            (column("message = 'x'", 10), "cannot be read"),
            (column("command_id = NULL", 10), "command_id is None"),
            (column("aggregate = 1", 10), "aggregate is Some(Reservation("),
            (column("aggregate = 0", 41), "aggregate_id is None"),
            (column("aggregate_id = zeroblob(16)", 26), "aggregate_id is Some(\"00000000-"),
            (column("event_type = 'StockIssued'", 10), "event_type is"),
            (set(59, "reservationId", "'00000000-0000-0000-0000-000000000000'"), "aggregate is Some(Reservation("),
        ],
    );
    assert_red(&planted(&column("occurred_at = 1", 10)), "order", "time went back");
    let clock = "UPDATE progress SET last_time = 28999";
    assert_red(&planted(clock), "order", "the writer's clock is kept at 28999, behind 29000");
}
