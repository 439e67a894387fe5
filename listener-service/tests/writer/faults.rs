//! What goes wrong: garbage, a failing database, a version that moved, another writer.

use listener_service::dead_letter::Reason;
use listener_service::incoming::Incoming;
use listener_service::published::Unpublishable;
use listener_service::writer::ApplyError;

use crate::bench::{Bench, adjust, create, item, request, reserve};

#[test]
fn what_is_no_command_is_one_dead_letter_as_it_came_and_what_follows_is_applied() {
    let mut bench = Bench::new();
    let good = create("A", 1);
    let value = serde_json::to_vec(&good).expect("JSON");
    let future = String::from_utf8(value.clone()).expect("text").replace("\"version\":1", "\"version\":2");
    let unknown = String::from_utf8(value.clone()).expect("text").replace("ItemCreationRequested", "ItemEaten");
    let key = good.aggregate_id.to_string();
    let poison = [
        bench.raw(Some(key.as_bytes()), Some(b"\xff\xfe not JSON")),
        bench.raw(Some(key.as_bytes()), Some(future.as_bytes())),
        bench.raw(Some(key.as_bytes()), Some(unknown.as_bytes())),
        bench.raw(None, Some(&value)),
        bench.raw(Some(b"other"), Some(&value)),
        bench.raw(Some(key.as_bytes()), None),
    ];
    let mut batch = poison.to_vec();
    batch.push(bench.message(&good));
    for record in &poison {
        bench.expect_dead(record);
    }
    bench.apply(&batch).expect("applied");
    assert_eq!(bench.ending(good.command_id), "applied");
    let codes: String = bench
        .writer
        .connection()
        .query_row("SELECT group_concat(code, ' ' ORDER BY sequence) FROM dead_letters", [], |row| row.get(0))
        .expect("codes");
    assert_eq!(codes, "MALFORMED_MESSAGE UNSUPPORTED_VERSION UNKNOWN_TYPE MISSING_KEY KEY_MISMATCH MISSING_VALUE");
    let kept: Vec<u8> = bench
        .writer
        .connection()
        .query_row("SELECT value FROM dead_letters WHERE code = 'MALFORMED_MESSAGE'", [], |row| row.get(0))
        .expect("kept");
    assert_eq!(kept, b"\xff\xfe not JSON");
    bench.check();
}

#[test]
fn why_a_dead_letter_cannot_be_published_is_stored_with_the_watermark_that_passes_over_it() {
    let mut bench = Bench::new();
    let poison = bench.raw(Some(b"key"), Some(b"garbage"));
    bench.expect_dead(&poison);
    bench.apply(&[poison]).expect("applied");
    bench.published.give_up(Unpublishable { sequence: 1, reason: "too large".to_owned() });
    bench.published.reach(1);
    // The commit that stores the watermark fails at first, and the process dies after the one that does not.
    bench.writer.connection().commit_hook(Some(|| true)).expect("ours");
    assert!(matches!(bench.writer.tick(), Err(ApplyError::Database(_))));
    bench.writer.connection().commit_hook(None::<fn() -> bool>).expect("ours");
    bench.writer.tick().expect("committed");
    let bench = bench.restart();
    assert_eq!(bench.published.watermark(), 1);
    assert_eq!(bench.count("dead_letters WHERE publish_error = 'too large'"), 1);
    bench.check();
}

#[test]
fn a_full_disk_rolls_the_batch_back_blames_no_command_and_passes() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 0));
    let pages: i64 = bench.writer.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).expect("pages");
    bench.writer.connection().pragma_update(None, "max_page_count", pages + 2).expect("limited");
    let batch: Vec<_> = (0..400).map(|n| bench.message(&create(&format!("FULL-{n}"), 1))).collect();
    let error = bench.apply(&batch).expect_err("the disk is full");
    assert!(matches!(error, ApplyError::Database(_)) && error.to_string().contains("the disk is full"), "{error}");
    assert_eq!((bench.count("items"), bench.count("dead_letters")), (1, 0));
    bench.writer.connection().pragma_update(None, "max_page_count", 1_000_000).expect("unlimited");
    bench.apply(&batch).expect("applied now");
    assert_eq!(bench.count("items"), 401);
    bench.check();
}

#[test]
fn a_database_that_another_connection_has_locked_is_waited_for() {
    let mut bench = Bench::new();
    bench.writer.connection().busy_timeout(std::time::Duration::from_millis(20)).expect("set");
    let intruder = bench.intruder();
    intruder.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let record = bench.message(&create("A", 1));
    let error = bench.apply(std::slice::from_ref(&record)).expect_err("locked");
    assert!(matches!(error, ApplyError::Database(_)) && error.to_string().contains("write lock"), "{error}");
    intruder.execute_batch("ROLLBACK").expect("free");
    bench.apply(&[record]).expect("applied now");
    bench.check();
}

#[test]
fn a_version_that_moved_after_it_was_read_is_read_and_decided_again() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 2));
    bench
        .intruder()
        .execute("UPDATE stock_levels SET quantity = 1, version = version + 1", [])
        .expect("moved behind the writer's back");
    assert_eq!(bench.outcome(&request(item("A"), reserve(1))), "applied");
    assert_eq!(bench.level(item("A")), (1, 1, 3), "decided on what is there, not on what was remembered");
}

#[test]
fn a_rejection_is_decided_on_what_is_there_and_not_on_what_was_remembered() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 1));
    bench
        .intruder()
        .execute_batch("UPDATE stock_levels SET quantity = 10, version = version + 1; UPDATE progress SET units = 10")
        .expect("moved behind the writer's back");
    assert_eq!(bench.outcome(&request(item("A"), reserve(5))), "applied");
}

#[test]
fn a_command_that_fails_unexpectedly_is_named_and_nothing_of_its_batch_stays() {
    let mut bench = Bench::new();
    bench
        .writer
        .connection()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON items WHEN NEW.sku = 'BROKEN'
             BEGIN SELECT RAISE(ABORT, 'planted'); END",
        )
        .expect("planted");
    let batch = [bench.message(&create("A", 1)), bench.message(&create("BROKEN", 1)), bench.message(&create("B", 1))];
    let error = bench.apply(&batch).expect_err("the second fails");
    assert!(matches!(error, ApplyError::Command { index: 1, .. }) && error.to_string().contains("planted"), "{error}");
    assert_eq!((bench.count("items"), bench.count("journal")), (0, 0));
    bench.apply(&batch[..1]).expect("the one before it");
    bench.expect_dead(&batch[1]);
    let reason = Reason::RetriesExhausted { attempts: 6, error: "planted".to_owned() };
    bench.writer.bury(&Incoming::read(batch[1].clone()), &reason).expect("buried");
    bench.apply(&batch[2..]).expect("the one behind it");
    assert_eq!(bench.count("outcomes WHERE status = 'dead_lettered' AND code = 'RETRIES_EXHAUSTED'"), 1);
    bench.check();
}

#[test]
fn a_writer_whose_lease_was_taken_over_changes_nothing() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 1));
    bench.intruder().execute("UPDATE lease SET epoch = epoch + 1", []).expect("taken over");
    let record = bench.message(&request(item("A"), adjust(1)));
    assert!(matches!(bench.apply(&[record]), Err(ApplyError::Fenced(_))));
    assert!(matches!(bench.writer.tick(), Err(ApplyError::Fenced(_))));
    assert_eq!(bench.level(item("A")), (1, 0, 1));
}

#[test]
fn a_writer_whose_position_was_moved_changes_nothing() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 1));
    bench.intruder().execute("UPDATE logs SET next_offset = 7", []).expect("moved");
    let record = bench.message(&request(item("A"), adjust(1)));
    assert!(matches!(bench.apply(&[record]), Err(ApplyError::Fenced(_))));
    assert_eq!(bench.level(item("A")), (1, 0, 1));
}

#[test]
fn the_write_ahead_log_is_copied_back_and_does_not_grow_for_ever() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 1));
    let mut checkpoints = 0;
    for _ in 0..40 {
        let batch: Vec<_> = (0..200).map(|_| bench.message(&request(item("A"), adjust(1)))).collect();
        bench.apply(&batch).expect("applied");
        checkpoints += i32::from(bench.writer.checkpoint(false).is_some());
    }
    assert!(checkpoints >= 1);
    let wal = std::fs::metadata(bench.folder.path().join("inventory.db-wal")).expect("a log").len();
    assert!(wal < 8 * 1024 * 1024, "{wal} bytes");
    bench.check();
}

#[test]
fn a_log_that_is_read_again_from_its_beginning_buries_nothing_twice() {
    let mut bench = Bench::new();
    let poison = bench.raw(Some(b"k"), Some(b"garbage"));
    bench.expect_dead(&poison);
    let batch = [poison, bench.message(&create("A", 1))];
    bench.apply(&batch).expect("applied");
    bench.intruder().execute("UPDATE logs SET next_offset = NULL", []).expect("accepted anew");
    let mut bench = bench.restart();
    let committed = bench.apply(&batch).expect("applied again");
    assert_eq!((committed.counts.repeated, bench.count("dead_letters")), (2, 1));
    bench.check();
}

#[test]
fn another_message_at_the_place_of_a_dead_letter_is_a_dead_letter_of_its_own() {
    let mut bench = Bench::new();
    let poison = bench.raw(Some(b"k"), Some(b"garbage"));
    bench.apply(std::slice::from_ref(&poison)).expect("applied");
    bench.intruder().execute("UPDATE logs SET next_offset = NULL", []).expect("accepted anew");
    let mut bench = bench.restart();
    let other = kafka::Record { value: Some(bytes::Bytes::from_static(b"other garbage")), ..poison };
    bench.apply(&[other]).expect("applied");
    assert_eq!(bench.count("dead_letters"), 2);
}
