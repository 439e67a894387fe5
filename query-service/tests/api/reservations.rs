//! Reservations, alone and in lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::id::ReservationId;
use testkit::contract::Answer;
use testkit::poll::eventually;

use crate::dice::Dice;
use crate::world::{Having, SOON, World, fault};
use crate::writer::{Batch, Hold, id, time};

fn reservation(number: u128) -> ReservationId {
    ReservationId::from_uuid(uuid::Uuid::from_u128(number))
}

fn from_now(millis: i64) -> i64 {
    Timestamp::wall_clock().plus_millis(millis).millis()
}

fn stamp(millis: i64) -> String {
    Timestamp::from_millis(millis).to_string()
}

fn path(reservation: ReservationId) -> String {
    format!("/api/v1/reservations/{reservation}")
}

async fn with_tag(world: &World, reservation: ReservationId, tag: &str) -> Answer {
    world.client.request("GET", path(reservation)).header("If-None-Match", tag).send().await
}

#[tokio::test]
async fn a_reservation_is_read_with_its_lines_and_stays_when_it_has_ended() {
    let mut world = World::with_cable().await;
    let (hold, deadline) = (reservation(7), from_now(540_000));
    world
        .commit(|batch| {
            batch.item("B", "B");
            batch.level("B", 5, 0);
            let hold = Hold {
                store: "main",
                lines: vec![("PROD-001", 2), ("B", 1)],
                customer: Some("customer-7"),
                order: Some("order-42"),
                expires_at: Some(deadline),
            };
            batch.reserve(reservation(7), &hold);
        })
        .await;
    let answer = world.client.get(&path(hold)).await.having(200);
    let mut body = answer.json();
    let left = body["remainingSeconds"].as_i64().unwrap();
    assert!((530..=540).contains(&left), "{left}");
    body["remainingSeconds"] = json!(540);
    let expected = json!({
        "reservationId": hold.to_string(), "status": "pending", "storeId": "main", "customerId": "customer-7",
        "orderId": "order-42", "createdAt": stamp(time(5)), "expiresAt": stamp(deadline), "remainingSeconds": 540,
        "endedAt": null, "version": 1,
        "lines": [
            {"itemId": id("PROD-001").to_string(), "sku": "PROD-001", "quantity": 2, "confirmed": 0, "released": 0},
            {"itemId": id("B").to_string(), "sku": "B", "quantity": 1, "confirmed": 0, "released": 0},
        ],
    });
    assert_eq!(body, expected);
    assert_eq!((answer.header("etag"), answer.header("x-cache")), (Some("\"r1\""), Some("database")));
    let again = with_tag(&world, hold, "\"r1\"").await.having(304);
    assert_eq!((again.body.len(), again.header("x-cache"), again.header("etag")), (0, Some("memory"), Some("\"r1\"")));

    world.commit(|batch| batch.end(hold, "confirmed")).await;
    let answer = with_tag(&world, hold, "\"r1\"").await.having(200);
    let body = answer.json();
    assert_eq!(
        (&body["status"], &body["remainingSeconds"], &body["version"]),
        (&json!("confirmed"), &json!(0), &json!(2))
    );
    assert_eq!((&body["lines"][0]["confirmed"], &body["endedAt"]), (&json!(2), &json!(stamp(time(10)))));
    with_tag(&world, hold, "\"r2\"").await.having(304);
    let unknown = world.client.get(&path(reservation(8))).await.having(404);
    assert_eq!(
        (unknown.code().as_str(), unknown.json()["detail"].clone()),
        ("NOT_FOUND", json!("there is no such reservation"))
    );
}

#[tokio::test]
async fn past_its_deadline_a_reservation_reads_expired_and_is_never_answered_304() {
    let mut world = World::with_cable().await;
    let (due, soon, simple) = (reservation(1), reservation(2), reservation(3));
    world
        .commit(|batch| {
            let lines = || vec![("PROD-001", 1)];
            batch.reserve(
                due,
                &Hold { store: "main", lines: lines(), expires_at: Some(from_now(-1)), ..Hold::default() },
            );
            let expires_at = Some(from_now(2_000));
            batch.reserve(soon, &Hold { store: "main", lines: lines(), expires_at, ..Hold::default() });
            batch.reserve(simple, &Hold { store: "main", lines: lines(), ..Hold::default() });
        })
        .await;
    let body = world.client.get(&path(due)).await.having(200).json();
    assert_eq!(
        (&body["status"], &body["remainingSeconds"], &body["endedAt"]),
        (&json!("expired"), &json!(0), &Value::Null)
    );
    for tag in ["\"r1\"", "*"] {
        assert_eq!(with_tag(&world, due, tag).await.having(200).header("etag"), Some("\"r1\""));
    }
    // The tag was taken while it was pending, and the version has not changed since.
    eventually(SOON, async || {
        let answer = with_tag(&world, soon, "\"r1\"").await;
        answer.status == 200 && answer.json()["status"] == json!("expired")
    })
    .await;
    let body = world.client.get(&path(simple)).await.having(200).json();
    assert_eq!(
        (&body["status"], &body["remainingSeconds"], &body["expiresAt"]),
        (&json!("pending"), &Value::Null, &Value::Null)
    );

    world.commit(|batch| batch.end(due, "expired")).await;
    let answer = with_tag(&world, due, "\"r2\"").await.having(304);
    assert_eq!(answer.header("etag"), Some("\"r2\""));
    world.commit(|batch| batch.extend(soon, from_now(100_000))).await;
    let body = world.client.get(&path(soon)).await.having(200).json();
    assert_eq!((&body["status"], &body["version"]), (&json!("pending"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_reservation_go_back_while_a_writer_writes() {
    let mut world = World::with_cable().await;
    let hold = reservation(1);
    let lines = vec![("PROD-001", 1)];
    let expires_at = Some(from_now(600_000));
    world
        .commit(|batch| {
            batch.reserve(hold, &Hold { store: "main", lines, expires_at, ..Hold::default() });
        })
        .await;
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (client, is_over) = (world.client.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut last = 0;
                while !is_over.load(Ordering::Acquire) {
                    let version = client.get(&path(hold)).await.having(200).json()["version"].as_u64().unwrap();
                    assert!(version >= last, "{version} after {last}");
                    last = version;
                }
            })
        })
        .collect();
    let mut writer = world.writer;
    let writing = tokio::task::spawn_blocking(move || {
        for _ in 0..1000 {
            writer.commit(|batch| batch.extend(hold, from_now(600_000)));
        }
        writer.commit(|batch| batch.end(hold, "released"))
    });
    let token = writing.await.unwrap();
    is_over.store(true, Ordering::Release);
    for reader in readers {
        reader.await.unwrap();
    }
    let answer = world.client.get(&format!("{}?token={token}", path(hold))).await.having(200).json();
    assert_eq!((&answer["version"], &answer["status"]), (&json!(1002), &json!("released")));
    let other = world.client.get(&format!("{}?waitMs=1", path(hold))).await.having(422);
    assert_eq!(other.code(), "VALIDATION_FAILED");
}

#[tokio::test]
async fn another_aggregate_that_changes_leaves_a_reservation_in_memory() {
    let mut world = World::with_cable().await;
    let hold = reservation(1);
    world
        .commit(|batch| {
            batch.reserve(hold, &Hold { store: "main", lines: vec![("PROD-001", 1)], ..Hold::default() });
        })
        .await;
    let origin =
        async |world: &World| world.client.get(&path(hold)).await.having(200).header("x-cache").unwrap().to_owned();
    assert_eq!(origin(&world).await, "database");
    world.commit(|batch| batch.level("PROD-001", 99, 3)).await;
    assert_eq!(origin(&world).await, "memory");
    let token = world.writer.commit(|batch| batch.end(hold, "released"));
    let answer = world.client.get(&format!("{}?token={token}", path(hold))).await.having(200);
    assert_eq!((answer.header("x-cache"), answer.json()["status"].clone()), (Some("database"), json!("released")));
}

const SKUS: [&str; 4] = ["A", "B", "C", "D"];
const STORES: [&str; 3] = ["main", "berlin", "paris"];

/// A reservation of one to three items, which may end at once.
fn something(batch: &mut Batch<'_>, dice: &mut Dice, number: u128) {
    let store = dice.one_of(&STORES);
    let mut lines: Vec<(&str, i64)> = Vec::new();
    for _ in 0..=dice.below(3) {
        let sku = dice.one_of(&SKUS);
        if lines.iter().all(|line| line.0 != sku) {
            lines.push((sku, dice.below(3) + 1));
        }
    }
    let hold = Hold {
        store,
        lines,
        customer: dice.one_of(&[None, Some("c-1"), Some("c-2")]),
        order: dice.one_of(&[None, Some("o-1"), Some("o-2")]),
        expires_at: dice.one_of(&[None, Some(1_000), Some(from_now(3_600_000))]),
    };
    batch.reserve(reservation(number), &hold);
    if dice.below(3) == 0 {
        batch.level_at(dice.one_of(&SKUS), store, 1_000_000, 100_000);
    }
    let status = dice.one_of(&["", "", "confirmed", "released", "expired"]);
    if !status.is_empty() {
        batch.end(reservation(number), status);
    }
}

fn numbers(page: &Value) -> Vec<u128> {
    let id = |row: &Value| uuid::Uuid::parse_str(row["reservationId"].as_str().unwrap()).unwrap().as_u128();
    page["reservations"].as_array().unwrap().iter().map(id).collect()
}

/// Queries, and the conditions that they mean.
fn cases(now: i64) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for (item, of_item) in [
        (String::new(), String::new()),
        (
            format!("&itemId={}", id("A")),
            " AND EXISTS (SELECT 1 FROM lines WHERE reservation = number AND sku = 'A')".to_owned(),
        ),
        (
            format!("&itemId={}", id("B")),
            " AND EXISTS (SELECT 1 FROM lines WHERE reservation = number AND sku = 'B')".to_owned(),
        ),
    ] {
        for (other, of_other) in [
            ("", "1"),
            ("&orderId=o-1", "order_id = 'o-1'"),
            ("&customerId=c-2", "customer_id = 'c-2'"),
            ("&orderId=o-2&customerId=c-1", "order_id = 'o-2' AND customer_id = 'c-1'"),
        ] {
            cases.push((format!("{item}{other}"), format!("{of_other}{of_item}")));
            for status in ["pending", "confirmed", "released", "expired"] {
                let shown =
                    format!("CASE WHEN status = 'pending' AND expires_at <= {now} THEN 'expired' ELSE status END");
                let condition = format!("{of_other}{of_item} AND {shown} = '{status}'");
                cases.push((format!("{item}{other}&status={status}"), condition));
            }
        }
    }
    cases
}

#[tokio::test]
async fn every_page_of_every_filter_together_has_each_reservation_once_though_some_are_made_meanwhile() {
    let mut dice = Dice::new(3);
    let mut world = World::new().await;
    let mut next = 0;
    world
        .commit(|batch| {
            for sku in SKUS {
                batch.item(sku, sku);
                for store in STORES {
                    batch.level_at(sku, store, 1_000_000, 100_000);
                }
            }
            for store in STORES {
                batch.opening("A", store, 7);
            }
            let released = batch.opening("B", "main", 7);
            batch.end(released, "released");
            for _ in 0..250 {
                something(batch, &mut dice, next);
                next += 1;
            }
        })
        .await;
    for (query, condition) in cases(from_now(0)) {
        let sql = format!(
            "WITH lines AS (SELECT l.reservation, i.sku FROM reservation_lines l JOIN items i ON i.item_id = l.item_id)
             SELECT reservation_id FROM reservations WHERE {condition} ORDER BY number DESC"
        );
        let expected: Vec<u128> =
            world.writer.rows(&sql, |row| row.get::<_, uuid::Uuid>(0)).iter().map(uuid::Uuid::as_u128).collect();
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.json(&format!("reservations?limit=19{query}{cursor}")).await;
            found.extend(numbers(&page));
            let Some(after) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={after}");
            world.commit(|batch| something(batch, &mut dice, next)).await;
            next += 1;
        }
        assert_eq!(found, expected, "{query}");
    }
    let page = world.json(&format!("reservations?limit=2&itemId={}", id("A"))).await;
    let alone =
        world.json(&format!("reservations/{}", page["reservations"][0]["reservationId"].as_str().unwrap())).await;
    assert_eq!(page["reservations"][0]["lines"], alone["lines"]);
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    for (query, field, code) in [
        ("limit=0", "limit", "OUT_OF_RANGE"),
        ("limit=201", "limit", "OUT_OF_RANGE"),
        ("storeId=main", "storeId", "UNKNOWN_PARAMETER"),
        ("itemId=A", "itemId", "INVALID_FORMAT"),
        ("orderId=", "orderId", "TOO_SHORT"),
        ("customerId=%09a%09b", "customerId", "CONTROL_CHARACTER"),
        ("status=open", "status", "INVALID_FORMAT"),
        ("cursor=x", "cursor", "INVALID_FORMAT"),
        ("status=pending&status=pending", "status", "REPEATED"),
    ] {
        assert_eq!(world.faults(&format!("reservations?{query}")).await, [fault(field, code)], "{query}");
    }
    let answer = world.client.get("/api/v1/reservations/nonsense?x=1").await.having(400);
    assert_eq!(answer.code(), "INVALID_ID");
    let empty = world.json("reservations?orderId=none").await;
    assert_eq!(empty, json!({"reservations": [], "nextCursor": null}));
}

#[tokio::test]
async fn a_reservation_that_cannot_be_read_again_is_shown_as_stale() {
    let mut world = World::with_cable().await;
    let hold = reservation(1);
    world
        .commit(|batch| {
            batch.reserve(hold, &Hold { store: "main", lines: vec![("PROD-001", 1)], ..Hold::default() });
        })
        .await;
    world.client.get(&path(hold)).await.having(200);
    world.writer.set_schema_version(4);
    eventually(SOON, async || world.client.get("/health/ready").await.status == 503).await;
    let stale = world.client.get(&path(hold)).await.having(200);
    assert_eq!((stale.header("x-stale"), stale.header("x-cache")), (Some("true"), Some("memory")));
    for path in [path(reservation(2)), "/api/v1/reservations".to_owned(), "/api/v1/inventory/movements".to_owned()] {
        assert_eq!(world.client.get(&path).await.having(503).code(), "SOURCE_UNAVAILABLE", "{path}");
    }
    world.shutdown.begin(Duration::from_secs(5));
}
