//! A writer of today, an older schema, and a writer of today again.

use std::path::Path;
use std::time::Duration;

use listener_service::{database, schema};
use shared::aggregate::AggregateId;
use shared::id::{CommandId, IdempotencyId, ReservationId};
use shared::message::{Command, RequestEnvelope};
use shared::quantity::PositiveQuantity;
use shared::reservation::{Line, Lines, Ttl};
use shared::text::StoreId;
use testkit::model::random::seeded;

use crate::bench::{Bench, RETENTION, create, item, lease, request_of};
use crate::histories::{TURNS, request};

fn down(folder: &Path) {
    let path = folder.join("inventory.db");
    let mut connection = database::open(&path).expect("opened");
    let all = "UPDATE progress SET published = (SELECT max(sequence) FROM journal)";
    connection.execute(all, []).expect("as the publisher does after a while");
    let lease = lease(&mut connection);
    schema::go_down(&mut connection, &path, 1, lease).expect("gone down");
}

/// Two units of A for a buyer, under an idempotency key.
fn hold(key: &str) -> RequestEnvelope {
    let id = IdempotencyId::of("anonymous", "POST", "/reservations", key);
    let command_id = CommandId::of(id, "a fingerprint");
    let lines = Lines::parse([Line { item_id: item("A"), quantity: PositiveQuantity::parse(2).expect("2") }]);
    let command = Command::Reserve {
        store_id: StoreId::main(),
        lines: lines.expect("lines"),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::DEFAULT,
    };
    let request = request_of(AggregateId::Reservation(ReservationId::of(command_id)), command);
    RequestEnvelope { command_id, idempotency_id: Some(id), fingerprint: "a fingerprint".to_owned(), ..request }
}

#[test]
fn a_reservation_that_is_sent_again_after_going_down_and_up_is_not_made_again() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    let reservation = hold("k");
    assert_eq!(bench.outcome(&reservation), "applied");
    let mut bench = bench.restart_after(down);
    assert_eq!(bench.outcome(&reservation), "applied");
    assert_eq!(bench.outcome(&hold("k")), "applied");
    assert_eq!(bench.level(item("A")), (9, 2, 2));
}

/// All that the ledger says, oldest first.
fn ledger(bench: &Bench) -> Vec<String> {
    let sql = "
        SELECT json_array(sequence, occurred_at, type, hex(item_id), store_id, quantity_change, reserved_change, quantity,
            reserved, version, previous, jump, reason, reference, actor, order_id, hex(reservation_id), hex(command_id))
        FROM movements ORDER BY sequence";
    let mut statement = bench.writer.connection().prepare(sql).expect("readable");
    statement.query_map([], |row| row.get(0)).expect("readable").collect::<Result<_, _>>().expect("readable")
}

#[test]
fn the_ledger_is_the_same_after_going_down_and_up() {
    let mut bench = Bench::new();
    for (n, turn) in seeded(1, TURNS).iter().enumerate() {
        bench.pass(Duration::from_millis(turn.after_millis.unsigned_abs()));
        bench.sweep();
        let request = RequestEnvelope { actor: format!("clerk {}", n % 3), ..request(&bench, &turn.asked) };
        bench.outcome(&request);
    }
    let before = ledger(&bench);
    let all = before.join("\n");
    for found in ["StockTransferred", "StockCounted", "StockIssued", "StockSettingsChanged", "clerk 2", "system"] {
        assert!(all.contains(found), "the history has {found}");
    }
    assert_eq!(ledger(&bench.restart_after(down)), before);
}

#[test]
fn outcomes_that_were_put_aside_are_forgotten_after_the_retention() {
    let mut bench = Bench::new();
    bench.outcome(&create("A", 9));
    assert_eq!(bench.outcome(&hold("k")), "applied");
    // The older program has forgotten the journal to its end meanwhile.
    let mut bench = bench.restart_after(|folder| {
        down(folder);
        let connection = database::open(&folder.join("inventory.db")).expect("opened");
        let all = "UPDATE progress SET purged = (SELECT max(sequence) FROM journal)";
        connection.execute(all, []).expect("as the writer does after a while");
    });
    assert_eq!((bench.count("outcomes"), bench.count("idempotency_keys")), (2, 1));
    bench.pass(RETENTION * 2);
    while bench.writer.purge().expect("forgotten") {}
    assert_eq!((bench.count("outcomes WHERE aggregate <> 0"), bench.count("idempotency_keys")), (0, 0));
}
