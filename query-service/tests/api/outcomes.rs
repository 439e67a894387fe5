//! What became of commands.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::aggregate::AggregateId;
use shared::id::{CommandId, IdempotencyId, ReservationId};
use shared::text::StoreId;

use crate::world::{Having, World};
use crate::writer::token;

fn path(command: CommandId) -> String {
    format!("/api/v1/commands/{command}")
}

#[tokio::test]
async fn a_final_outcome_tells_what_applies_and_nothing_else() {
    let mut world = World::with_cable().await;
    let mut commands = Vec::new();
    world.writer.commit(|batch| {
        batch.item("PROD-001", "Renamed");
        batch.outcome("applied", "ItemUpdateRequested", "PROD-001");
        commands.push(batch.command);
    });
    world.writer.commit(|batch| {
        batch.rejection("PROD-001");
        commands.push(batch.command);
    });
    world.writer.commit(|batch| {
        batch.outcome("dead_lettered", "StockAdjustmentRequested", "PROD-001");
        commands.push(batch.command);
    });
    let applied = world.client.get(&path(commands[0])).await.having(200);
    let expected = json!({
        "commandId": commands[0].to_string(), "status": "applied", "type": "ItemUpdateRequested", "version": 2,
        "itemId": "5ba52b28-0660-54e0-a935-615efcb68195", "sequence": 3, "appliedAt": "2025-11-22T10:10:00.003Z",
    });
    assert_eq!((applied.json(), applied.header("cache-control")), (expected, Some("no-store")));
    let rejected = world.client.get(&path(commands[1])).await.having(200).json();
    assert_eq!((&rejected["status"], &rejected["code"]), (&json!("rejected"), &json!("INSUFFICIENT_STOCK")));
    assert!(rejected.get("version").is_none() && rejected.get("detail").is_some());
    let dead = world.client.get(&path(commands[2])).await.having(200).json();
    assert_eq!(dead["status"], json!("dead_lettered"));
    assert_eq!(dead["deadLetterId"], json!("5ba52b28-0660-54e0-a935-615efcb68195"));
}

#[tokio::test]
async fn an_outcome_names_the_reservation_or_the_store_that_it_is_of() {
    let mut world = World::with_cable().await;
    let reservation = ReservationId::from_uuid(uuid::Uuid::from_u128(7));
    for (of, kind, field, id) in [
        (AggregateId::Reservation(reservation), "ReservationRequested", "reservationId", reservation.to_string()),
        (AggregateId::Store(StoreId::main()), "StoreUpdateRequested", "storeId", "main".to_owned()),
    ] {
        let mut command = None;
        world
            .commit(|batch| {
                command = Some(batch.command);
                batch.journal("CommandRejected", &of);
                batch.outcome_of("applied", kind, &of, Some(3));
            })
            .await;
        let body = world.client.get(&path(command.unwrap())).await.having(200).json();
        assert_eq!((&body[field], &body["type"], &body["version"]), (&json!(id), &json!(kind), &json!(3)));
        let ids = ["itemId", "reservationId", "storeId"].into_iter().filter(|field| body.get(field).is_some());
        assert_eq!(ids.collect::<Vec<_>>(), [field]);
    }
}

#[tokio::test]
async fn what_has_not_been_applied_is_pending() {
    let world = World::new().await;
    let keyed = CommandId::of(IdempotencyId::of("a", "POST", "/", "k"), "f");
    for command in [CommandId::fresh(), keyed] {
        let to_come = world.writer.next_token();
        for query in [String::new(), "?waitMs=0".into(), "?waitMs=20".into(), format!("?waitMs=20&token={to_come}")] {
            let answer = world.client.get(&format!("{}{query}", path(command))).await.having(200);
            assert_eq!(answer.json(), json!({"commandId": command.to_string(), "status": "pending"}), "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_as_soon_as_the_outcome_is_there_and_reads_after_it_show_its_state() {
    let mut world = World::with_cable().await;
    let stock = "/api/v1/inventory/items/sku/PROD-001/stock";
    for quantity in 11..31 {
        world.client.get(stock).await.having(200);
        let (command, client) = (CommandId::fresh(), world.client.clone());
        let began = Instant::now();
        let waiting = tokio::spawn(async move { client.get(&format!("{}?waitMs=30000", path(command))).await });
        world.writer.commit(|batch| {
            batch.command = command;
            batch.level("PROD-001", quantity, 0);
            batch.outcome("applied", "StockAdjustmentRequested", "PROD-001");
        });
        assert_eq!(waiting.await.unwrap().having(200).json()["status"], json!("applied"));
        assert!(began.elapsed() < Duration::from_secs(20), "it ended by itself");
        assert_eq!(world.client.get(stock).await.having(200).json()["quantity"], json!(quantity));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_position_passed_without_an_outcome_is_unknown() {
    let mut world = World::new().await;
    let (command, client) = (CommandId::fresh(), world.client.clone());
    let to_come = world.writer.next_token();
    let waiting_path = format!("{}?waitMs=30000&token={to_come}", path(command));
    let waiting = tokio::spawn(async move { client.get(&waiting_path).await });
    world.writer.commit(|batch| {
        batch.execute("INSERT INTO logs (log, log_id, first_seen_at, superseded_at) VALUES (2, 'old', 0, 1)", ());
    });
    let expected = json!({"commandId": command.to_string(), "status": "unknown"});
    assert_eq!(waiting.await.unwrap().having(200).json(), expected);
    let superseded = format!("{}?waitMs=30000&token={}", path(command), token("old", 9));
    assert_eq!(world.client.get(&superseded).await.having(200).json(), expected);
}

#[tokio::test]
async fn a_command_that_is_older_than_the_retention_is_unknown() {
    let world = World::new().await;
    let answer =
        world.client.get("/api/v1/commands/0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881?waitMs=30000").await.having(200);
    assert_eq!(answer.json()["status"], json!("unknown"));
}

#[tokio::test]
async fn bad_ids_and_waits_are_refused() {
    let world = World::new().await;
    assert_eq!(world.client.get("/api/v1/commands/x?waitMs=-1").await.having(400).code(), "INVALID_ID");
    for wait in ["30001", "-1", "1.0", ""] {
        let answer = world.client.get(&format!("{}?waitMs={wait}", path(CommandId::fresh()))).await.having(422);
        assert_eq!(answer.code(), "VALIDATION_FAILED", "{wait}");
    }
}
