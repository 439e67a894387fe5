//! The ledger.

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::id::ReservationId;

use crate::dice::Dice;
use crate::world::{Having, World, fault};
use crate::writer::{Hold, Step, id, time};

const PATH: &str = "inventory/movements";

fn stamp(sequence: i64) -> String {
    Timestamp::from_millis(time(sequence)).to_string()
}

fn reservation(number: u128) -> ReservationId {
    ReservationId::from_uuid(uuid::Uuid::from_u128(number))
}

fn sequences(page: &Value) -> Vec<i64> {
    page["movements"].as_array().unwrap().iter().map(|movement| movement["sequence"].as_i64().unwrap()).collect()
}

/// Follows the cursors to the end, `between` two pages.
async fn all(world: &mut World, query: &str, mut between: impl AsyncFnMut(&mut World)) -> Vec<i64> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.json(&format!("{PATH}?{query}{cursor}")).await;
        found.extend(sequences(&page));
        let Some(next) = page["nextCursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
        between(world).await;
    }
}

#[tokio::test]
async fn a_movement_tells_what_moved_and_why_with_nulls_for_what_nobody_said() {
    let mut world = World::with_cable().await;
    let (mut command, hold) = (None, reservation(7));
    world
        .commit(|batch| {
            command = Some(batch.command);
            let step = Step {
                kind: "StockTransferred",
                quantity: -4,
                reason: Some("move"),
                reference: Some("T-1"),
                ..Step::default()
            };
            batch.step("PROD-001", "main", &step);
            let (order, lines) = (Some("order-1"), vec![("PROD-001", 3)]);
            batch.reserve(hold, &Hold { store: "main", lines, order, expires_at: Some(0), ..Hold::default() });
            batch.end(hold, "expired");
        })
        .await;
    let page = world.json(PATH).await;
    assert_eq!((sequences(&page), page["nextCursor"].clone()), (vec![6, 5, 3, 2], Value::Null));
    let item = "5ba52b28-0660-54e0-a935-615efcb68195";
    let command = command.unwrap().to_string();
    let moved = json!({
        "sequence": 3, "occurredAt": stamp(3), "type": "StockTransferred", "itemId": item, "sku": "PROD-001",
        "storeId": "main", "change": {"quantity": -4, "reserved": 0},
        "after": {"quantity": 6, "reserved": 2, "available": 4}, "version": 2, "reason": "move", "reference": "T-1",
        "actor": "anonymous", "orderId": null, "reservationId": null, "commandId": command,
    });
    assert_eq!(page["movements"][2], moved);
    let released = json!({
        "sequence": 6, "occurredAt": stamp(6), "type": "StockReleased", "itemId": item, "sku": "PROD-001",
        "storeId": "main", "change": {"quantity": 0, "reserved": -3},
        "after": {"quantity": 6, "reserved": 2, "available": 4}, "version": 4, "reason": null, "reference": null,
        "actor": "system", "orderId": "order-1", "reservationId": hold.to_string(), "commandId": null,
    });
    assert_eq!(page["movements"][0], released);
}

/// Six items in three stores, some movements of reservations with orders.
fn something(batch: &mut crate::writer::Batch<'_>, dice: &mut Dice) {
    let (sku, store) = (dice.one_of(&["A", "B", "C", "D", "E", "F"]), dice.one_of(&["main", "berlin", "paris"]));
    let order = dice.one_of(&[None, Some("o-1"), Some("o-2")]);
    let kind = dice.one_of(&["StockAdjusted", "StockCounted", "StockTransferred"]);
    batch.step(sku, store, &Step { kind, quantity: dice.below(5), order, ..Step::default() });
}

const COLUMNS: &str = "SELECT sequence FROM movements";

#[tokio::test]
async fn every_page_of_every_filter_together_has_each_row_once_though_rows_are_added_meanwhile() {
    let mut dice = Dice::new(11);
    let mut world = World::new().await;
    world
        .commit(|batch| {
            for sku in ["A", "B", "C", "D", "E", "F"] {
                batch.item(sku, sku);
            }
            for _ in 0..300 {
                something(batch, &mut dice);
            }
            batch.delete("F");
        })
        .await;
    let item = |sku: &str| id(sku).to_string();
    let hex = |sku: &str| id(sku).uuid().simple().to_string();
    let cases = [
        ("limit=40".to_owned(), "1".to_owned()),
        (format!("limit=7&itemId={}", item("A")), format!("hex(item_id) = upper('{}')", hex("A"))),
        (format!("limit=7&itemId={}", item("F")), format!("hex(item_id) = upper('{}')", hex("F"))),
        (
            format!("limit=1&storeId=paris&itemId={}", item("B")),
            format!("hex(item_id) = upper('{}') AND store_id = 'paris'", hex("B")),
        ),
        ("limit=20&storeId=berlin".to_owned(), "store_id = 'berlin'".to_owned()),
        ("limit=20&orderId=o-1".to_owned(), "order_id = 'o-1'".to_owned()),
        (
            format!("limit=2&orderId=o-1&storeId=main&type=StockCounted&itemId={}", item("C")),
            format!(
                "hex(item_id) = upper('{}') AND store_id = 'main' AND order_id = 'o-1' AND type = 'StockCounted'",
                hex("C")
            ),
        ),
        ("limit=9&type=StockTransferred".to_owned(), "type = 'StockTransferred'".to_owned()),
        (format!("limit=9&from={}&to={}", stamp(50), stamp(99)), "sequence BETWEEN 50 AND 99".to_owned()),
        (
            format!("limit=9&from={}&itemId={}", stamp(100), item("A")),
            format!("sequence >= 100 AND hex(item_id) = upper('{}')", hex("A")),
        ),
        (format!("limit=200&to={}&storeId=main", stamp(77)), "sequence <= 77 AND store_id = 'main'".to_owned()),
        ("storeId=nowhere".to_owned(), "0".to_owned()),
        ("orderId=none".to_owned(), "0".to_owned()),
        (format!("itemId={}", item("NEVER")), "0".to_owned()),
        (format!("from={}&to={}", stamp(9), stamp(8)), "0".to_owned()),
        ("from=2030-01-01T00:00:00Z".to_owned(), "0".to_owned()),
        ("to=1990-01-01T00:00:00Z".to_owned(), "0".to_owned()),
    ];
    for (query, condition) in cases {
        let sql = format!("{COLUMNS} WHERE {condition} ORDER BY sequence DESC");
        let expected = world.writer.rows(&sql, |row| row.get::<_, i64>(0));
        let found = all(&mut world, &query, async |world| {
            world.commit(|batch| something(batch, &mut dice)).await;
        })
        .await;
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_is_bound_to_its_filters() {
    let mut world = World::with_cable().await;
    world.commit(|batch| (0..5).for_each(|quantity| batch.level("PROD-001", quantity, 0))).await;
    let item = id("PROD-001");
    let first = world.json(&format!("{PATH}?limit=2&itemId={item}")).await;
    let cursor = first["nextCursor"].as_str().unwrap().to_owned();
    let second = world.json(&format!("{PATH}?limit=3&itemId={item}&cursor={cursor}")).await;
    assert_eq!(sequences(&second), [5, 4, 3]);
    for other in ["", "&storeId=main", "&type=StockAdjusted", "&from=2020-01-01T00:00:00Z"] {
        let query = if other.is_empty() { String::new() } else { format!("&itemId={item}{other}") };
        let faults = world.faults(&format!("{PATH}?cursor={cursor}{query}")).await;
        assert_eq!(faults, [fault("cursor", "INVALID_FORMAT")], "{other}");
    }
    let faults = world.faults(&format!("reservations?itemId={item}&cursor={cursor}")).await;
    assert_eq!(faults, [fault("cursor", "INVALID_FORMAT")]);
    for wrong in ["", "x", "%00", "AAAAAAAAAAAAAAAA"] {
        assert_eq!(
            world.faults(&format!("{PATH}?cursor={wrong}")).await,
            [fault("cursor", "INVALID_FORMAT")],
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    for (query, field, code) in [
        ("limit=0", "limit", "OUT_OF_RANGE"),
        ("limit=201", "limit", "OUT_OF_RANGE"),
        ("sku=A", "sku", "UNKNOWN_PARAMETER"),
        ("itemId=A", "itemId", "INVALID_FORMAT"),
        ("storeId=-", "storeId", "INVALID_FORMAT"),
        ("orderId=", "orderId", "TOO_SHORT"),
        ("type=StockDepleted", "type", "INVALID_FORMAT"),
        ("from=yesterday", "from", "INVALID_FORMAT"),
        ("to=2025-11-22", "to", "INVALID_FORMAT"),
        ("limit=1&limit=1", "limit", "REPEATED"),
    ] {
        assert_eq!(world.faults(&format!("{PATH}?{query}")).await, [fault(field, code)], "{query}");
    }
    world.client.get(&format!("/api/v1/{PATH}?limit=200")).await.having(200);
}

#[tokio::test]
async fn a_request_looks_at_so_many_rows_and_the_next_one_goes_on() {
    let mut world = World::with_cable().await;
    let hold = reservation(1);
    world
        .commit(|batch| {
            batch.step("PROD-001", "main", &Step { kind: "StockCounted", ..Step::default() });
            batch.reserve(hold, &Hold { store: "main", lines: vec![("PROD-001", 1)], ..Hold::default() });
            batch.end(hold, "released");
            for _ in 0..20_000 {
                batch.step("PROD-001", "main", &Step { kind: "StockAdjusted", quantity: 1, ..Step::default() });
            }
        })
        .await;
    let item = id("PROD-001");
    for filter in [
        format!("itemId={item}&type=StockCounted"),
        "type=StockCounted".into(),
        "storeId=main&type=StockCounted".into(),
    ] {
        let first = world.json(&format!("{PATH}?{filter}")).await;
        assert_eq!(sequences(&first), [0; 0], "{filter}");
        let cursor = first["nextCursor"].as_str().unwrap();
        let second = world.json(&format!("{PATH}?{filter}&cursor={cursor}")).await;
        assert_eq!((sequences(&second), &second["nextCursor"]), (vec![3], &Value::Null), "{filter}");
    }
    let first = world.json(&format!("reservations?itemId={item}")).await;
    assert_eq!(first["reservations"], json!([]));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = world.json(&format!("reservations?itemId={item}&cursor={cursor}")).await;
    assert_eq!(
        (&second["reservations"][0]["reservationId"], &second["nextCursor"]),
        (&json!(hold.to_string()), &Value::Null)
    );
}

#[tokio::test]
async fn the_ledger_shows_what_a_token_names_and_says_that_it_is_the_database_s() {
    let mut world = World::with_cable().await;
    for quantity in 20..30 {
        let token = world.writer.commit(|batch| batch.level("PROD-001", quantity, 0));
        let answer = world.client.get(&format!("/api/v1/{PATH}?limit=1&token={token}")).await.having(200);
        assert_eq!(answer.json()["movements"][0]["after"]["quantity"], json!(quantity));
        assert_eq!((answer.header("x-cache"), answer.header("cache-control")), (Some("database"), Some("no-store")));
    }
}
