//! What is for sale of an item in which store.

use serde_json::json;

use crate::world::{Having, World, fault};
use crate::writer::id;

#[tokio::test]
async fn availability_tells_each_store_and_the_total_of_all_whichever_is_asked_for() {
    let mut world = World::with_cable().await;
    world.commit(|batch| batch.level_at("PROD-001", "berlin", 5, 1)).await;
    let path = format!("inventory/items/{}/availability", id("PROD-001"));
    let berlin = json!({
        "storeId": "berlin", "quantity": 5, "reserved": 1, "available": 4, "updatedAt": "2025-11-22T10:10:00.003Z",
    });
    let main = json!({
        "storeId": "main", "quantity": 10, "reserved": 2, "available": 8, "updatedAt": "2025-11-22T10:10:00.002Z",
    });
    let nowhere = json!({
        "storeId": "nowhere", "quantity": 0, "reserved": 0, "available": 0, "updatedAt": "2025-11-22T10:10:00.001Z",
    });
    for (query, stores) in
        [("", json!([berlin, main])), ("?storeId=main", json!([main])), ("?storeId=nowhere", json!([nowhere]))]
    {
        let body = world.json(&format!("{path}{query}")).await;
        let expected = json!({
            "itemId": id("PROD-001").to_string(), "sku": "PROD-001", "stores": stores, "totalAvailable": 12,
        });
        assert_eq!(body, expected, "{query}");
    }
    let by_sku = world.client.get("/api/v1/inventory/items/sku/PROD-001/availability").await.having(200);
    assert_eq!((by_sku.header("x-cache"), by_sku.header("etag")), (Some("memory"), None));
    let stock = world.client.get("/api/v1/inventory/items/sku/PROD-001/stock?storeId=berlin").await.having(200);
    assert_eq!((stock.json()["available"].clone(), stock.header("etag")), (json!(4), Some("\"s1\"")));
}

#[tokio::test]
async fn what_is_no_item_or_no_store_s_id_is_refused() {
    let mut world = World::with_cable().await;
    let path = "inventory/items/sku/PROD-001/availability";
    assert_eq!(world.faults(&format!("{path}?storeId=-")).await, [fault("storeId", "INVALID_FORMAT")]);
    assert_eq!(world.faults(&format!("{path}?x=1")).await, [fault("x", "UNKNOWN_PARAMETER")]);
    world.client.get("/api/v1/inventory/items/nonsense/availability").await.having(400);
    world.commit(|batch| batch.delete("PROD-001")).await;
    assert_eq!(world.client.get(&format!("/api/v1/{path}")).await.having(404).code(), "NOT_FOUND");
}

#[tokio::test]
async fn an_item_tells_its_category_price_and_threshold() {
    let mut world = World::with_cable().await;
    let catalogue = crate::writer::Catalogue {
        description: Some("Braided"),
        category: Some("cables"),
        price: Some((1299, "EUR")),
        threshold: Some(5),
    };
    world.commit(|batch| batch.catalogue("PROD-001", &catalogue)).await;
    let item = world.json("inventory/items/sku/PROD-001").await;
    assert_eq!((&item["category"], &item["lowStockThreshold"]), (&json!("cables"), &json!(5)));
    assert_eq!(item["price"], json!({"amountMinor": 1299, "currency": "EUR"}));
    let page = world.json("inventory/items?currency=EUR").await;
    assert_eq!(page["items"], json!([item]));
}
