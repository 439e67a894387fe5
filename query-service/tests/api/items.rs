//! One item, its stock, and carts.

use serde_json::json;
use testkit::contract::Answer;
use tokio::task::JoinSet;

use crate::world::{Having, World, fault, faults};
use crate::writer::id;

const ITEM: &str = "/api/v1/inventory/items/5ba52b28-0660-54e0-a935-615efcb68195";

#[tokio::test]
async fn an_item_is_read_by_id_and_by_sku_with_its_stock_summed_over_stores() {
    let mut world = World::with_cable().await;
    let token = world.writer.commit(|batch| batch.level_at("PROD-001", "berlin", 5, 1));
    let answer = world.client.get(&format!("{ITEM}?token={token}")).await.having(200);
    let expected = json!({
        "id": "5ba52b28-0660-54e0-a935-615efcb68195", "sku": "PROD-001", "name": "USB-C cable", "description": null,
        "category": null, "price": null, "lowStockThreshold": null,
        "quantity": 15, "reserved": 3, "available": 12, "version": 1,
        "createdAt": "2025-11-22T10:10:00.001Z", "updatedAt": "2025-11-22T10:10:00.003Z",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("etag"), Some("\"i1-2\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
    let by_sku = world.client.get("/api/v1/inventory/items/sku/PROD-001").await.having(200);
    assert_eq!((by_sku.json(), by_sku.header("x-cache")), (expected, Some("memory")));
}

#[tokio::test]
async fn stock_is_read_by_id_and_by_sku_and_is_zero_where_nothing_ever_was() {
    let mut world = World::with_cable().await;
    let token = world.writer.commit(|batch| batch.item("NEW", "New"));
    let answer = world.client.get(&format!("{ITEM}/stock?storeId=main")).await.having(200);
    let expected = json!({
        "itemId": "5ba52b28-0660-54e0-a935-615efcb68195", "sku": "PROD-001", "storeId": "main",
        "quantity": 10, "reserved": 2, "available": 8, "version": 1, "updatedAt": "2025-11-22T10:10:00.002Z",
    });
    assert_eq!((answer.json(), answer.header("etag")), (expected, Some("\"s1\"")));
    let empty = world.client.get(&format!("/api/v1/inventory/items/sku/NEW/stock?token={token}")).await.having(200);
    let body = empty.json();
    assert_eq!((&body["quantity"], &body["version"]), (&json!(0), &json!(0)));
    assert_eq!(body["updatedAt"], json!("2025-11-22T10:10:00.003Z"));
    assert_eq!(empty.header("etag"), Some("\"s0\""));
}

#[tokio::test]
async fn who_asks_at_the_same_moment_gets_his_own_item_and_an_absent_one_is_nobody_elses_matter() {
    let mut world = World::new().await;
    let skus: Vec<String> = (0..300).map(|number| format!("S{number}")).collect();
    let present = |number: usize| number % 7 != 3;
    let token = world.writer.commit(|batch| {
        let skus = skus.iter().enumerate().filter(|(number, _)| present(*number));
        skus.for_each(|(_, sku)| batch.item(sku, "Asked for"));
    });
    world.client.get(&format!("/api/v1/inventory/items?token={token}")).await.having(200);
    let mut asking = JoinSet::new();
    for (number, sku) in skus.into_iter().enumerate() {
        let client = world.client.clone();
        asking.spawn(async move {
            let answer = client.get(&format!("/api/v1/inventory/items/sku/{sku}")).await;
            let answer = answer.having(if present(number) { 200 } else { 404 });
            if present(number) {
                assert_eq!((answer.json()["sku"].clone(), answer.header("x-cache")), (json!(sku), Some("database")));
            }
        });
    }
    asking.join_all().await;
}

#[tokio::test]
async fn what_never_was_and_what_was_deleted_is_not_found_everywhere() {
    let mut world = World::with_cable().await;
    world.client.get(ITEM).await.having(200);
    let token = world.writer.commit(|batch| batch.delete("PROD-001"));
    for path in [ITEM.to_owned(), format!("{ITEM}/stock"), "/api/v1/inventory/items/sku/PROD-001".to_owned()] {
        let answer = world.client.get(&format!("{path}?token={token}")).await.having(404);
        assert_eq!(answer.code(), "NOT_FOUND");
    }
    world.client.get("/api/v1/inventory/items/sku/NEVER/stock").await.having(404);
    let cart = world.client.get("/api/v1/inventory/stock?skus=PROD-001").await.having(200);
    assert_eq!(cart.json(), json!({"levels": [], "missing": ["PROD-001"]}));
    let list = world.client.get(&format!("/api/v1/inventory/items?q=usb&token={token}")).await.having(200);
    assert_eq!(list.json()["total"], json!(0));
}

#[tokio::test]
async fn a_client_that_has_the_present_version_gets_no_body() {
    let mut world = World::with_cable().await;
    let ask = |path: String, tag: &'static str| {
        let client = world.client.clone();
        async move { client.request("GET", path).header("If-None-Match", tag).send().await }
    };
    for tag in ["\"i1-1\"", "W/\"i1-1\"", "*", "\"x\", \"i1-1\""] {
        let answer = ask(ITEM.to_owned(), tag).await.having(304);
        assert_eq!((answer.body.len(), answer.header("etag")), (0, Some("\"i1-1\"")));
        assert!(answer.header("x-cache").is_some() && answer.header("x-request-id").is_some());
    }
    ask(format!("{ITEM}/stock"), "\"s1\"").await.having(304);
    ask(format!("{ITEM}/stock"), "\"i1-1\"").await.having(200);
    let token = world.writer.commit(|batch| batch.level("PROD-001", 11, 2));
    ask(format!("{ITEM}?token={token}"), "\"i1-1\"").await.having(200);
}

#[tokio::test]
async fn faults_are_told_in_the_order_of_the_contract() {
    let world = World::with_cable().await;
    let get = async |path: &str, header: &str| {
        let call = world.client.request("GET", path);
        let call = if header.is_empty() { call } else { call.header("X-Consistency-Token", header) };
        call.send().await
    };
    for path in
        ["/api/v1/inventory/items/nonsense?x=1", "/api/v1/inventory/items/sku/-A", "/api/v1/inventory/items/%FF"]
    {
        assert_eq!(get(path, "nonsense").await.having(400).code(), "INVALID_ID", "{path}");
    }
    assert_eq!(get(&format!("{ITEM}?x=1"), "nonsense").await.having(400).code(), "INVALID_HEADER");
    let answer = get(&format!("{ITEM}/stock?x=1&storeId=-&token=nonsense"), "").await.having(422);
    let expected =
        [fault("token", "INVALID_FORMAT"), fault("storeId", "INVALID_FORMAT"), fault("x", "UNKNOWN_PARAMETER")];
    assert_eq!(faults(&answer), expected);
    get("/api/v1/nothing", "").await.having(404);
    world.client.post(ITEM, &json!({})).await.having(405);
}

#[tokio::test]
async fn a_cart_is_read_in_one_call_in_the_order_asked_for() {
    let mut world = World::with_cable().await;
    let token = world.writer.commit(|batch| {
        batch.item("B", "B");
        batch.level("B", 3, 0);
    });
    let path = format!("/api/v1/inventory/stock?skus=B,NONE,PROD-001,B&token={token}");
    let answer = world.client.get(&path).await.having(200);
    let skus = |answer: &Answer| {
        answer.json()["levels"].as_array().unwrap().iter().map(|l| l["sku"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(skus(&answer), ["B", "PROD-001"]);
    assert_eq!((answer.json()["missing"].clone(), answer.header("x-cache")), (json!(["NONE"]), Some("database")));
    let by_id = format!("/api/v1/inventory/stock?itemIds={},{}", id("PROD-001"), id("B"));
    let answer = world.client.get(&by_id).await.having(200);
    assert_eq!((skus(&answer), answer.header("x-cache")), (vec![json!("PROD-001"), json!("B")], Some("memory")));
    let stock = world.client.get("/api/v1/inventory/items/sku/B/stock").await.having(200);
    assert_eq!((&answer.json()["levels"][1], stock.header("x-cache")), (&stock.json(), Some("memory")));
}

#[tokio::test]
async fn a_cart_needs_ids_or_skus_and_not_too_many() {
    let world = World::new().await;
    let many = (0..101).map(|n| format!("S{n}")).collect::<Vec<_>>().join(",");
    let cases = [
        (String::new(), "itemIds", "REQUIRED"),
        (format!("skus=A&itemIds={}", id("A")), "skus", "EXCLUSIVE"),
        ("skus=".to_owned(), "skus", "INVALID_FORMAT"),
        ("itemIds=A".to_owned(), "itemIds", "INVALID_FORMAT"),
        (format!("skus={many}"), "skus", "OUT_OF_RANGE"),
        ("skus=A&storeId=main".to_owned(), "storeId", "UNKNOWN_PARAMETER"),
    ];
    for (query, field, code) in cases {
        let answer = world.client.get(&format!("/api/v1/inventory/stock?{query}")).await.having(422);
        assert_eq!(faults(&answer), [(field.to_owned(), code.to_owned())], "{query}");
    }
    let hundred = many.rsplit_once(',').unwrap().0;
    let answer = world.client.get(&format!("/api/v1/inventory/stock?skus={hundred}")).await.having(200);
    assert_eq!(answer.json()["missing"].as_array().unwrap().len(), 100);
}
