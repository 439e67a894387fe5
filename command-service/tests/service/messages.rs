//! Each route emits exactly one documented message, and answers where its outcome will be.

use serde_json::{Value, json};
use shared::id::{CommandId, EventId, ReservationId};
use shared::token::ConsistencyToken;
use testkit::contract::Answer;

use crate::harness::{ITEM, ITEMS, SKU, Whole, by_id, by_sku, decoded, header, value};

/// Method, path, body, event type and data of every route.
fn routes() -> Vec<(&'static str, String, Option<Value>, &'static str, Value)> {
    let update = json!({"name": " Cable ", "description": "a\r\nb"});
    let adjust = json!({"quantity": -3, "reason": " broken ", "reference": "R1", "storeId": "main"});
    let quantity = json!({"quantity": 1_000_000_000});
    let create = json!({"sku": SKU, "name": "Cable", "description": "x", "quantity": 7});
    let mut routes = vec![("POST", ITEMS.to_owned(), Some(create.clone()), "ItemCreationRequested", create)];
    for item in [by_id(""), by_sku("")] {
        routes.extend([
            (
                "PUT",
                item.clone(),
                Some(update.clone()),
                "ItemUpdateRequested",
                json!({"name": "Cable", "description": "a\r\nb"}),
            ),
            ("DELETE", item.clone(), None, "ItemDeletionRequested", json!({})),
            (
                "POST",
                format!("{item}/adjust"),
                Some(adjust.clone()),
                "StockAdjustmentRequested",
                json!({"storeId": "main", "quantity": -3, "reason": "broken", "reference": "R1"}),
            ),
            (
                "POST",
                format!("{item}/reserve"),
                Some(quantity.clone()),
                "StockReservationRequested",
                json!({"storeId": "main", "quantity": 1_000_000_000}),
            ),
            (
                "POST",
                format!("{item}/release"),
                Some(quantity.clone()),
                "StockReleaseRequested",
                json!({"storeId": "main", "quantity": 1_000_000_000}),
            ),
        ]);
    }
    routes
}

async fn send(whole: &Whole, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let call = whole.client().request(method, path).header("x-correlation-id", "order-17");
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn each_route_emits_exactly_the_documented_message() {
    let whole = Whole::start().await;
    let routes = routes();
    let mut answers = Vec::new();
    for (method, path, body, ..) in &routes {
        answers.push(send(&whole, method, path, body.as_ref()).await.expect(202).json());
    }
    let log = whole.log().await;
    assert_eq!(log.len(), routes.len());
    for ((record, answer), (method, path, _, event_type, data)) in log.iter().zip(&answers).zip(&routes) {
        let route = format!("{method} {path}");
        let request = decoded(record);
        assert_eq!(record.key.as_deref(), Some(ITEM.as_bytes()), "{route}");
        assert_eq!(
            value(record),
            json!({
                "eventType": event_type,
                "eventId": EventId::of_request(request.command_id),
                "aggregateId": ITEM,
                "occurredAt": request.occurred_at,
                "version": 1,
                "commandId": answer["commandId"],
                "correlationId": "order-17",
                "idempotencyId": null,
                "fingerprint": request.fingerprint,
                "expectedVersion": null,
                "actor": "anonymous",
                "data": data,
            }),
            "{route}"
        );
        let names: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["event-type", "event-id", "timestamp", "traceparent", "content-type"], "{route}");
        assert_eq!(header(record, "event-type"), *event_type);
        assert_eq!(header(record, "event-id"), request.event_id.to_string());
        assert_eq!(header(record, "timestamp"), request.occurred_at.to_string());
        assert_eq!(header(record, "content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_202_says_who_the_command_is_and_where_its_outcome_will_be() {
    let whole = Whole::start().await;
    for (offset, (method, path, body, event_type, _)) in (0..).zip(routes()) {
        let answer = send(&whole, method, &path, body.as_ref()).await;
        answer.expect(202);
        let json = answer.json();
        let command_id = CommandId::parse(json["commandId"].as_str().expect("text")).expect("a UUID");
        let token = json["consistencyToken"].as_str().expect("text");
        let url = format!("http://query.example:8081/api/v1/commands/{command_id}?token={token}");
        let mut expected = json!({
            "commandId": command_id, "status": "accepted", "itemId": ITEM, "consistencyToken": token, "statusUrl": url,
        });
        if event_type == "StockReservationRequested" {
            expected["reservationId"] = json!(ReservationId::of(command_id));
        }
        assert_eq!(json, expected);
        assert_eq!(answer.header("location"), Some(url.as_str()));
        assert_eq!(answer.header("x-consistency-token"), Some(token));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let parsed = ConsistencyToken::parse(token).expect("a token");
        assert_eq!((parsed.offset, Some(&parsed.log)), (offset, whole.broker.connection().embedded_log()));
    }
}

#[tokio::test]
async fn what_was_accepted_is_counted_by_its_type() {
    let whole = Whole::start().await;
    whole.client().delete(&by_id("")).await.expect(202);
    let metrics = whole.client().get("/metrics").await.text();
    assert!(metrics.contains("inventory_commands_accepted_total{type=\"ItemDeletionRequested\"}"), "{metrics}");
}
