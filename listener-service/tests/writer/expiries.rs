//! Deadlines by a clock that the test moves: many at once, commands between them, and clocks that step.

use std::collections::BTreeMap;
use std::time::Duration;

use listener_service::writer::ApplyError;
use shared::aggregate::AggregateId;
use shared::id::{CommandId, ReservationId};
use shared::message::{Command, RequestEnvelope};
use shared::quantity::PositiveQuantity;
use shared::reservation::{Line, Lines, Ttl};
use shared::text::StoreId;

use crate::bench::{Bench, adjust, create, item, request, request_of};

const HOUR: i64 = 3_600_000;
/// As many expire in one transaction at most, so that commands wait for no longer than that takes.
const AT_ONCE: u64 = 500;

fn new_id() -> ReservationId {
    ReservationId::of(CommandId::fresh())
}

fn hold(id: ReservationId, sku: &str, seconds: i64) -> RequestEnvelope {
    let line = Line { item_id: item(sku), quantity: PositiveQuantity::parse(1).expect("a quantity") };
    let command = Command::Reserve {
        store_id: StoreId::main(),
        lines: Lines::parse([line]).expect("a line"),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::parse(seconds).expect("a time"),
    };
    request_of(AggregateId::Reservation(id), command)
}

fn confirm(id: ReservationId) -> RequestEnvelope {
    request_of(AggregateId::Reservation(id), Command::ConfirmReservation { order_id: None, lines: None })
}

fn extend(id: ReservationId, seconds: i64) -> RequestEnvelope {
    let ttl_seconds = Ttl::parse(seconds).expect("a time");
    request_of(AggregateId::Reservation(id), Command::ExtendReservation { ttl_seconds })
}

/// So many of each status.
fn statuses(bench: &Bench) -> BTreeMap<String, i64> {
    let sql = "SELECT status, count(*) FROM reservations GROUP BY status";
    let mut statement = bench.writer.connection().prepare(sql).expect("prepared");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
    rows.collect::<Result<_, _>>().expect("read")
}

fn expiries(bench: &Bench) -> i64 {
    bench.count("journal WHERE event_type = 'ReservationExpired'")
}

fn is_due(bench: &Bench) -> bool {
    bench.writer.until_deadline().is_some_and(|left| left.is_zero())
}

#[test]
fn ten_thousand_of_one_deadline_expire_five_hundred_a_transaction_with_commands_between() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 20_000));
    for _ in 0..10 {
        let batch: Vec<_> = (0..1000).map(|_| bench.message(&hold(new_id(), "A", 600))).collect();
        bench.apply(&batch).expect("applied");
    }
    bench.pass(Duration::from_millis(599_999));
    assert!(!is_due(&bench), "a millisecond is left");
    bench.pass(Duration::from_millis(1));
    let mut sweeps = 0;
    while is_due(&bench) {
        let committed = bench.writer.expire().expect("swept");
        sweeps += 1;
        assert_eq!((committed.counts.expired, committed.messages), (AT_ONCE, 0), "sweep {sweeps}");
        assert_eq!(bench.outcome(&request(item("A"), adjust(1))), "applied", "a command waits for one sweep only");
        assert_eq!(expiries(&bench), i64::from(sweeps) * 500);
    }
    assert_eq!(sweeps, 20);
    assert_eq!((bench.level(item("A")).0, bench.level(item("A")).1), (20_020, 0));
    assert_eq!(bench.writer.until_deadline(), None);
    bench.check();
}

#[test]
fn of_reservations_with_many_lines_fewer_expire_at_once() {
    let mut bench = Bench::new();
    let skus: Vec<_> = (0..100).map(|n| format!("S-{n}")).collect();
    for sku in &skus {
        bench.outcome(&create(sku, 20));
    }
    let lines =
        || skus.iter().map(|sku| Line { item_id: item(sku), quantity: PositiveQuantity::parse(1).expect("one") });
    for _ in 0..12 {
        let mut request = hold(new_id(), "S-0", 1);
        if let Command::Reserve { lines: wanted, .. } = &mut request.data {
            *wanted = Lines::parse(lines()).expect("a hundred");
        }
        assert_eq!(bench.outcome(&request_of(request.aggregate_id, request.data)), "applied");
    }
    bench.pass(Duration::from_secs(1));
    let swept: Vec<_> = (0..3).map(|_| bench.writer.expire().expect("swept").counts.expired).collect();
    assert_eq!(swept, [5, 5, 2]);
    bench.check();
}

#[test]
fn what_is_due_when_a_writer_starts_expires_once_wherever_the_one_before_was_stopped() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 2000));
    let batch: Vec<_> = (0..1200).map(|_| bench.message(&hold(new_id(), "A", 1))).collect();
    bench.apply(&batch).expect("applied");
    bench.pass(Duration::from_secs(5));
    let mut expected = 1200;
    for committed in [500, 500, 200] {
        bench = bench.restart();
        assert!(is_due(&bench), "a writer that starts knows of {expected} that are due");
        assert_eq!(bench.writer.expire().expect("swept").counts.expired, committed);
        expected -= committed;
        assert_eq!(statuses(&bench).get("pending").copied().unwrap_or(0), i64::try_from(expected).expect("few"));
    }
    bench = bench.restart();
    assert_eq!((bench.writer.until_deadline(), expiries(&bench)), (None, 1200));
    bench.check();
}

#[test]
fn a_sweep_that_fails_is_whole_when_it_is_tried_again() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 100));
    let batch: Vec<_> = (0..100).map(|_| bench.message(&hold(new_id(), "A", 1))).collect();
    bench.apply(&batch).expect("applied");
    bench.pass(Duration::from_secs(1));
    let before = bench.count("journal");
    bench.writer.connection().busy_timeout(Duration::from_millis(20)).expect("set");
    let intruder = bench.intruder();
    intruder.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = bench.writer.expire().expect_err("locked");
    assert!(matches!(error, ApplyError::Database(_)), "{error}");
    intruder.execute_batch("ROLLBACK").expect("free");
    assert_eq!((bench.count("journal"), is_due(&bench)), (before, true), "nothing of it stays, and it is still due");
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1), (100, 0));
    bench.check();
}

#[test]
fn one_that_cannot_expire_holds_up_neither_commands_nor_the_others_and_is_tried_again() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 700));
    let ids: Vec<_> = (0..600).map(|_| new_id()).collect();
    let batch: Vec<_> = ids.iter().map(|id| bench.message(&hold(*id, "A", 1))).collect();
    bench.apply(&batch).expect("applied");
    let broken = format!(
        "CREATE TRIGGER broken BEFORE UPDATE ON reservations WHEN hex(NEW.reservation_id) IN ('{:X}', '{:X}')
         BEGIN SELECT RAISE(ABORT, 'planted'); END",
        ids[50].uuid().simple(),
        ids[599].uuid().simple(),
    );
    bench.writer.connection().execute_batch(&broken).expect("planted");
    bench.pass(Duration::from_secs(1));
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1), (598, 2));
    assert_eq!(bench.outcome(&request(item("A"), adjust(1))), "applied");
    assert!(
        bench.writer.until_deadline().is_some_and(|left| left > Duration::from_secs(5)),
        "tried again, but not at once"
    );
    bench.pass(Duration::from_secs(10));
    bench.sweep();
    assert_eq!(expiries(&bench), 598, "still broken");
    bench.writer.connection().execute_batch("DROP TRIGGER broken").expect("mended");
    bench.pass(Duration::from_secs(10));
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1, bench.writer.until_deadline()), (600, 0, None));
    bench.check();
}

#[test]
fn a_confirmation_at_the_deadline_is_too_late_although_nothing_was_swept_and_one_before_it_is_not() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 10));
    let [early, late, extended] = [(); 3].map(|()| new_id());
    for id in [early, late, extended] {
        assert_eq!(bench.outcome(&hold(id, "A", 60)), "applied");
    }
    bench.pass(Duration::from_millis(59_999));
    assert_eq!(bench.outcome(&confirm(early)), "applied");
    assert_eq!(bench.outcome(&extend(extended, 60)), "applied");
    bench.pass(Duration::from_millis(1));
    for asked in [confirm(late), extend(late, 60)] {
        assert_eq!(bench.outcome(&asked), "rejected RESERVATION_EXPIRED");
    }
    assert_eq!(expiries(&bench), 0, "nothing was swept");
    bench.sweep();
    assert_eq!(bench.outcome(&confirm(late)), "rejected RESERVATION_EXPIRED");
    bench.pass(Duration::from_mins(1));
    assert_eq!(bench.outcome(&confirm(extended)), "rejected RESERVATION_EXPIRED");
    bench.sweep();
    assert_eq!(statuses(&bench), BTreeMap::from([("confirmed".to_owned(), 1), ("expired".to_owned(), 2)]));
    bench.check();
}

#[test]
fn a_clock_that_was_set_back_while_nobody_wrote_takes_no_deadline_back_and_brings_none_forward() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 10));
    let [swept, waiting] = [(); 2].map(|()| new_id());
    assert_eq!(bench.outcome(&hold(swept, "A", 60)), "applied");
    assert_eq!(bench.outcome(&hold(waiting, "A", 120)), "applied");
    bench.pass(Duration::from_mins(1));
    bench.sweep();
    assert_eq!(expiries(&bench), 1);

    bench = bench.restart_at(-HOUR);
    // The writer goes on from what it journaled last: a minute is left, however early the wall clock says that it is.
    assert_eq!(bench.writer.until_deadline(), Some(Duration::from_mins(1)));
    assert_eq!(bench.outcome(&confirm(swept)), "rejected RESERVATION_EXPIRED");
    bench.pass(Duration::from_millis(59_999));
    assert!(!is_due(&bench));
    bench.pass(Duration::from_millis(1));
    bench.sweep();
    assert_eq!(expiries(&bench), 2);

    bench = bench.restart_at(HOUR);
    assert_eq!((bench.writer.until_deadline(), expiries(&bench)), (None, 2), "set right again, nothing happens twice");
    bench.check();
}

#[test]
fn a_clock_that_was_set_forward_while_nobody_wrote_ends_what_is_due_by_it_and_setting_it_back_undoes_nothing() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 10));
    let [due, later] = [(); 2].map(|()| new_id());
    assert_eq!(bench.outcome(&hold(due, "A", 60)), "applied");
    assert_eq!(bench.outcome(&hold(later, "A", 2 * 3600)), "applied");
    bench = bench.restart_at(HOUR);
    assert_eq!(bench.outcome(&confirm(due)), "rejected RESERVATION_EXPIRED");
    bench.sweep();
    assert_eq!(statuses(&bench), BTreeMap::from([("expired".to_owned(), 1), ("pending".to_owned(), 1)]));

    bench = bench.restart_at(-HOUR);
    assert_eq!(bench.writer.until_deadline(), Some(Duration::from_hours(1)), "as long as there was left before");
    assert_eq!(bench.outcome(&confirm(due)), "rejected RESERVATION_EXPIRED");
    // One that is made while the writer is ahead of the wall clock has its whole time.
    let new = new_id();
    assert_eq!(bench.outcome(&hold(new, "A", 60)), "applied");
    assert_eq!(bench.writer.until_deadline(), Some(Duration::from_mins(1)));
    bench.pass(Duration::from_mins(1));
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1), (2, 1));
    bench.pass(Duration::from_hours(1));
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1), (3, 0));
    bench.check();
}

/// By how much the clock is set between two starts, in seconds.
const STEPS: [i64; 12] = [-3600, 5, 7200, -1, -86_400, 0, 90_000, -30, 30, 600, -600, 1];

#[test]
fn over_any_steps_of_the_clock_each_reservation_expires_once() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 1000));
    let mut made = 0;
    for (round, step) in (0..).zip(STEPS) {
        for number in 0..10 {
            let seconds = 1 + (number * 7 + round * 13) % 90;
            let mut asked = hold(new_id(), "A", seconds);
            // Or it would be too old to be applied.
            asked.occurred_at = bench.now();
            assert_eq!(bench.outcome(&asked), "applied");
            made += 1;
        }
        bench.pass(Duration::from_secs(20));
        let before = expiries(&bench);
        // One sweep, or none: what is left is for the writer that follows.
        if round % 2 == 0 && is_due(&bench) {
            bench.writer.expire().expect("swept");
            assert!(expiries(&bench) > before);
        }
        bench = bench.restart_at(step * 1000);
    }
    bench.pass(Duration::from_secs(90));
    bench.sweep();
    assert_eq!((expiries(&bench), bench.level(item("A")).1), (made, 0));
    assert_eq!(statuses(&bench), BTreeMap::from([("expired".to_owned(), made)]));
    bench.check();
}
