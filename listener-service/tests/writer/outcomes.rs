//! What a command comes to: once, in order, whatever is sent again.

use shared::clock::Timestamp;
use shared::message::Command;

use crate::bench::{Bench, RETENTION, adjust, create, item, keyed, request, reserve};

#[test]
fn a_batch_is_applied_in_its_order_and_its_journal_is_without_gap() {
    let mut bench = Bench::new();
    let commands = [create("A", 3), request(item("A"), reserve(2)), request(item("A"), reserve(2)), create("B", 0)];
    let batch: Vec<_> = commands.iter().map(|command| bench.message(command)).collect();
    let committed = bench.apply(&batch).expect("applied");
    assert_eq!((committed.sequence, committed.next_offset), (6, 4));
    assert_eq!(bench.ending(commands[2].command_id), "rejected INSUFFICIENT_STOCK");
    assert_eq!(bench.level(item("A")), (3, 2, 2));
    bench.check();
}

#[test]
fn a_command_that_is_sent_or_read_again_is_applied_once() {
    let mut bench = Bench::new();
    let reservation = request(item("A"), reserve(1));
    let first = [bench.message(&create("A", 9)), bench.message(&reservation)];
    bench.apply(&first).expect("applied");
    let again = [bench.message(&reservation), bench.message(&reservation)];
    let committed = bench.apply(&again).expect("applied");
    assert_eq!((committed.counts.applied, committed.counts.repeated), (0, 2));
    bench.apply(&first).expect("messages below the position are passed over");
    assert_eq!(bench.level(item("A")), (9, 1, 2));
    bench.check();
}

#[test]
fn a_restart_goes_on_at_the_position_and_with_the_sequence() {
    let mut bench = Bench::new();
    assert_eq!(bench.outcome(&create("A", 1)), "applied");
    let mut bench = bench.restart();
    assert_eq!(bench.writer.log().next_offset, Some(1));
    assert_eq!(bench.outcome(&request(item("A"), reserve(1))), "applied");
    assert_eq!(bench.writer.sequence(), 5);
    bench.check();
}

#[test]
fn an_idempotency_key_stands_for_one_command() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    let first = keyed("k", item("A"), reserve(1));
    assert_eq!(bench.outcome(&first), "applied");
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(1))), "applied", "the same command under its own id");
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(2))), "rejected IDEMPOTENCY_KEY_REUSED");
    assert_eq!(bench.level(item("A")), (9, 1, 2));
    bench.check();
}

#[test]
fn a_key_whose_command_was_rejected_still_stands_for_it() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 0));
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(1))), "rejected INSUFFICIENT_STOCK");
    bench.outcome(&request(item("A"), adjust(5)));
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(1))), "rejected INSUFFICIENT_STOCK");
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(2))), "rejected IDEMPOTENCY_KEY_REUSED");
    bench.check();
}

#[test]
fn a_stale_expected_version_is_rejected() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    let mut stale = request(item("A"), reserve(1));
    stale.expected_version = Some(7);
    assert_eq!(bench.outcome(&stale), "rejected VERSION_CONFLICT");
    let mut current = request(item("A"), reserve(1));
    current.expected_version = Some(1);
    assert_eq!(bench.outcome(&current), "applied");
    bench.check();
}

#[test]
fn a_deleted_sku_that_is_created_again_goes_on_with_its_versions() {
    let mut bench = Bench::new();
    for command in [create("A", 4), request(item("A"), Command::DeleteItem {}), create("A", 2)] {
        assert_eq!(bench.outcome(&command), "applied");
    }
    assert_eq!(bench.level(item("A")), (2, 0, 3));
    assert_eq!(bench.count("item_terms WHERE term = 'a thing'"), 1);
    bench.check();
}

#[test]
fn a_command_older_than_the_retention_is_a_dead_letter_unless_it_is_known() {
    let mut bench = Bench::new();
    let mut old = create("A", 4);
    let age = i64::try_from(RETENTION.as_millis()).expect("fits") + 1000;
    old.occurred_at = Timestamp::wall_clock().plus_millis(-age);
    let record = bench.message(&old);
    bench.expect_dead(&record);
    bench.apply(&[record]).expect("applied");
    assert_eq!(bench.ending(old.command_id), "dead_lettered TOO_OLD");
    bench.check();
}

#[test]
fn outcomes_and_keys_are_forgotten_after_the_retention_and_not_before() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    bench.outcome(&keyed("k", item("A"), reserve(1)));
    bench.writer.purge().expect("purged");
    assert_eq!((bench.count("outcomes"), bench.count("idempotency_keys")), (2, 1));
    let age = i64::try_from(RETENTION.as_millis()).expect("fits") + 1000;
    bench.writer.connection().execute("UPDATE journal SET occurred_at = occurred_at - ?1", [age]).expect("aged");
    bench.outcome(&create("B", 0));
    bench.writer.purge().expect("purged");
    assert_eq!((bench.count("outcomes"), bench.count("idempotency_keys")), (1, 0));
}

#[test]
fn a_reservation_whose_key_comes_again_after_the_retention_is_not_made_twice() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(1))), "applied");
    // As after the retention.
    bench.writer.connection().execute_batch("DELETE FROM outcomes; DELETE FROM idempotency_keys").expect("forgotten");
    assert_eq!(bench.outcome(&keyed("k", item("A"), reserve(1))), "rejected RESERVATION_EXISTS");
    assert_eq!(bench.level(item("A")).1, 1);
}
