//! Each route emits exactly one documented message, and answers where its outcome will be.

use serde_json::{Value, json};
use shared::id::{CommandId, EventId, ReservationId};
use shared::token::ConsistencyToken;
use testkit::contract::Answer;

use crate::harness::{
    ITEM, ITEMS, RESERVATION, RESERVATIONS, SKU, STORES, TRANSFERS, Whole, by_id, by_sku, decoded, header, reservation,
    value,
};

/// A request, and the message that it becomes.
struct Route {
    method: &'static str,
    path: String,
    body: Option<Value>,
    event_type: &'static str,
    /// What it is asked of: the field of the 202, and the id.
    of: (&'static str, &'static str),
    data: Value,
}

impl Route {
    fn named(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

const OF_ITEM: (&str, &str) = ("itemId", ITEM);
const OF_RESERVATION: (&str, &str) = ("reservationId", RESERVATION);
const OF_STORE: (&str, &str) = ("storeId", "berlin");

/// Every route.
fn routes() -> Vec<Route> {
    let mut routes = vec![creation()];
    for item in [by_id(""), by_sku("")] {
        routes.extend(on_the_catalogue(&item));
        routes.extend(on_stock(&item));
    }
    routes.extend(transfers());
    routes.extend(on_reservations());
    routes.extend(on_stores());
    routes
}

fn creation() -> Route {
    let create = json!({
        "sku": SKU, "name": "Cable", "description": "x", "category": "Cables",
        "price": {"amountMinor": 1999, "currency": "EUR"}, "lowStockThreshold": 3, "quantity": 7,
    });
    Route {
        method: "POST",
        path: ITEMS.to_owned(),
        body: Some(create.clone()),
        event_type: "ItemCreationRequested",
        of: OF_ITEM,
        data: create,
    }
}

fn on_the_catalogue(item: &str) -> [Route; 3] {
    let plain = json!({"name": " Cable ", "description": "a\r\nb"});
    let whole = json!({
        "name": "Cable", "category": " Cables ", "price": {"currency": "JPY", "amountMinor": 0}, "lowStockThreshold": 0,
    });
    let update = |body: Value, data: Value| Route {
        method: "PUT",
        path: item.to_owned(),
        body: Some(body),
        event_type: "ItemUpdateRequested",
        of: OF_ITEM,
        data,
    };
    let deletion = Route {
        method: "DELETE",
        path: item.to_owned(),
        body: None,
        event_type: "ItemDeletionRequested",
        of: OF_ITEM,
        data: json!({}),
    };
    let cleared = json!({
        "name": "Cable", "description": null, "category": "Cables", "price": {"amountMinor": 0, "currency": "JPY"},
        "lowStockThreshold": 0,
    });
    [update(plain, json!({"name": "Cable", "description": "a\r\nb"})), update(whole, cleared), deletion]
}

fn on_stock(item: &str) -> Vec<Route> {
    let route = |method, rest, body, event_type, data| Route {
        method,
        path: format!("{item}{rest}"),
        body: Some(body),
        event_type,
        of: OF_ITEM,
        data,
    };
    let adjust = json!({"quantity": -3, "reason": " broken ", "reference": "R1", "storeId": "main"});
    let adjusted = json!({"storeId": "main", "quantity": -3, "reason": "broken", "reference": "R1"});
    let quantity = json!({"quantity": 1_000_000_000});
    let at_main = json!({"storeId": "main", "quantity": 1_000_000_000});
    let count = json!({"quantity": 0, "expectedQuantity": 4, "reason": "yearly", "storeId": "berlin"});
    let blind = json!({"quantity": 9, "expectedQuantity": null});
    let counted = json!({"storeId": "main", "quantity": 9, "expectedQuantity": null, "reason": null});
    let settings = |threshold: Value| json!({"storeId": "berlin", "lowStockThreshold": threshold});
    vec![
        route("POST", "/adjust", adjust, "StockAdjustmentRequested", adjusted),
        route("POST", "/reserve", quantity.clone(), "StockReservationRequested", at_main.clone()),
        route("POST", "/release", quantity, "StockReleaseRequested", at_main),
        route("POST", "/count", count.clone(), "StockCountRequested", count),
        route("POST", "/count", blind, "StockCountRequested", counted),
        route("PUT", "/stores/berlin", json!({"lowStockThreshold": 5}), "StockSettingsRequested", settings(json!(5))),
        route(
            "PUT",
            "/stores/berlin",
            json!({"lowStockThreshold": null}),
            "StockSettingsRequested",
            settings(json!(null)),
        ),
    ]
}

fn transfers() -> [Route; 2] {
    let route = |body: Value, reason: Value| Route {
        method: "POST",
        path: TRANSFERS.to_owned(),
        body: Some(body),
        event_type: "StockTransferRequested",
        of: OF_ITEM,
        data: json!({"fromStoreId": "main", "toStoreId": "berlin", "quantity": 2, "reason": reason}),
    };
    let by_sku = json!({"sku": SKU, "fromStoreId": "main", "toStoreId": "berlin", "quantity": 2, "reason": "opening"});
    let by_id = json!({"itemId": ITEM, "fromStoreId": "main", "toStoreId": "berlin", "quantity": 2});
    [route(by_sku, json!("opening")), route(by_id, Value::Null)]
}

fn on_reservations() -> Vec<Route> {
    let route =
        |method, path, body, event_type, data| Route { method, path, body, event_type, of: OF_RESERVATION, data };
    let full = json!({
        "reservationId": RESERVATION, "lines": [{"sku": SKU, "quantity": 2}, {"itemId": ITEM, "quantity": 3}],
        "storeId": "berlin", "customerId": "C-1", "orderId": "O-1", "ttlSeconds": 86_400,
    });
    let summed = json!({
        "storeId": "berlin", "lines": [{"itemId": ITEM, "quantity": 5}], "customerId": "C-1", "orderId": "O-1",
        "ttlSeconds": 86_400,
    });
    let short = json!({"reservationId": RESERVATION, "sku": SKU, "quantity": 1, "lines": null, "itemId": null});
    let one_line = json!({
        "storeId": "main", "lines": [{"itemId": ITEM, "quantity": 1}], "customerId": null, "orderId": null, "ttlSeconds": 600,
    });
    let confirm = json!({"orderId": "O-2", "lines": [{"sku": SKU, "quantity": 1}]});
    let confirmed = json!({"orderId": "O-2", "lines": [{"itemId": ITEM, "quantity": 1}]});
    let all = json!({"orderId": null, "lines": null});
    let confirmation = "ReservationConfirmationRequested";
    let extend = json!({"ttlSeconds": 1});
    vec![
        route("POST", RESERVATIONS.to_owned(), Some(full), "ReservationRequested", summed),
        route("POST", RESERVATIONS.to_owned(), Some(short), "ReservationRequested", one_line),
        route("POST", reservation("/confirm"), Some(confirm), confirmation, confirmed),
        route("POST", reservation("/confirm"), Some(json!({})), confirmation, all.clone()),
        route("POST", reservation("/confirm"), None, confirmation, all),
        route("POST", reservation("/extend"), Some(extend.clone()), "ReservationExtensionRequested", extend),
        route("DELETE", reservation(""), None, "ReservationReleaseRequested", json!({})),
    ]
}

fn on_stores() -> [Route; 4] {
    let route =
        |method, path, body, event_type, data| Route { method, path, body: Some(body), event_type, of: OF_STORE, data };
    let full = json!({"storeId": "berlin", "name": "Berlin", "location": "Mitte", "active": false});
    let named = json!({"storeId": "berlin", "name": "Berlin"});
    let fields = json!({"name": "Berlin", "location": null, "active": true});
    [
        route("POST", STORES.to_owned(), full.clone(), "StoreCreationRequested", full),
        route(
            "POST",
            STORES.to_owned(),
            named.clone(),
            "StoreCreationRequested",
            json!({"storeId": "berlin", "name": "Berlin", "location": null, "active": true}),
        ),
        route("PUT", format!("{STORES}/berlin"), named, "StoreUpdateRequested", fields),
        route(
            "PUT",
            format!("{STORES}/berlin"),
            json!({"name": "Berlin", "location": "Mitte", "active": false}),
            "StoreUpdateRequested",
            json!({"name": "Berlin", "location": "Mitte", "active": false}),
        ),
    ]
}

async fn send(whole: &Whole, route: &Route) -> Answer {
    let call = whole.client().request(route.method, route.path.as_str()).header("x-correlation-id", "order-17");
    match &route.body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn each_route_emits_exactly_the_documented_message() {
    let whole = Whole::start().await;
    let routes = routes();
    let mut answers = Vec::new();
    for route in &routes {
        answers.push(send(&whole, route).await.expect(202).json());
    }
    let log = whole.log().await;
    assert_eq!(log.len(), routes.len());
    for ((record, answer), expected) in log.iter().zip(&answers).zip(&routes) {
        let route = expected.named();
        let request = decoded(record);
        let (_, id) = expected.of;
        assert_eq!(record.key.as_deref(), Some(id.as_bytes()), "{route}");
        assert_eq!(
            value(record),
            json!({
                "eventType": expected.event_type,
                "eventId": EventId::of_request(request.command_id),
                "aggregateId": id,
                "occurredAt": request.occurred_at,
                "version": 1,
                "commandId": answer["commandId"],
                "correlationId": "order-17",
                "idempotencyId": null,
                "fingerprint": request.fingerprint,
                "expectedVersion": null,
                "actor": "anonymous",
                "data": expected.data,
            }),
            "{route}"
        );
        let names: Vec<_> = record.headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["event-type", "event-id", "timestamp", "traceparent", "content-type"], "{route}");
        assert_eq!(header(record, "event-type"), expected.event_type);
        assert_eq!(header(record, "event-id"), request.event_id.to_string());
        assert_eq!(header(record, "timestamp"), request.occurred_at.to_string());
        assert_eq!(header(record, "content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_202_says_who_the_command_is_and_where_its_outcome_will_be() {
    let whole = Whole::start().await;
    for (offset, route) in (0..).zip(routes()) {
        let answer = send(&whole, &route).await;
        answer.expect(202);
        let json = answer.json();
        let command_id = CommandId::parse(json["commandId"].as_str().expect("text")).expect("a UUID");
        let token = json["consistencyToken"].as_str().expect("text");
        let url = format!("http://query.example:8081/api/v1/commands/{command_id}?token={token}");
        let (field, id) = route.of;
        let mut expected = json!({
            "commandId": command_id, "status": "accepted", field: id, "consistencyToken": token, "statusUrl": url,
        });
        if route.event_type == "StockReservationRequested" {
            expected["reservationId"] = json!(ReservationId::of(command_id));
        }
        assert_eq!(json, expected, "{}", route.named());
        assert_eq!(answer.header("location"), Some(url.as_str()));
        assert_eq!(answer.header("x-consistency-token"), Some(token));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let parsed = ConsistencyToken::parse(token).expect("a token");
        assert_eq!((parsed.offset, Some(&parsed.log)), (offset, whole.broker.connection().embedded_log()));
    }
}

#[tokio::test]
async fn a_reservation_that_the_client_does_not_name_is_named_by_its_command() {
    let whole = Whole::start().await;
    let answer = whole.client().post(RESERVATIONS, &json!({"sku": SKU, "quantity": 1})).await;
    let json = answer.expect(202).json();
    let request = whole.last_request().await;
    let id = ReservationId::of(request.command_id);
    assert_eq!(json["reservationId"], json!(id));
    assert!(json.get("itemId").is_none());
    assert_eq!(request.aggregate_id.to_string(), id.to_string());
}

#[tokio::test]
async fn what_was_accepted_is_counted_by_its_type() {
    let whole = Whole::start().await;
    whole.client().delete(&by_id("")).await.expect(202);
    let metrics = whole.client().get("/metrics").await.text();
    assert!(metrics.contains("inventory_commands_accepted_total{type=\"ItemDeletionRequested\"}"), "{metrics}");
}
