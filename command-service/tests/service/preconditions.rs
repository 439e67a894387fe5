//! `If-Match` names the version of the one document that the command changes.

use serde_json::{Value, json};

use crate::harness::{BATCHES, ITEM, ITEMS, RESERVATIONS, SKU, STORES, TRANSFERS, Whole, by_id, by_sku, reservation};

const ITEM_TAG: &str = "\"i3-17\"";
const STOCK: &str = "\"s3\"";
const RESERVATION: &str = "\"r3\"";
const STORE: &str = "\"t3\"";
const TAGS: [&str; 4] = [ITEM_TAG, STOCK, RESERVATION, STORE];

/// Every route that takes `If-Match`, the tag of what it changes, and a body.
fn routes() -> Vec<(&'static str, String, &'static str, Option<Value>)> {
    let mut routes = Vec::new();
    for item in [by_id(""), by_sku("")] {
        routes.extend([
            ("PUT", item.clone(), ITEM_TAG, Some(json!({"name": "Cable"}))),
            ("DELETE", item.clone(), ITEM_TAG, None),
            ("POST", format!("{item}/adjust"), STOCK, Some(json!({"quantity": 1}))),
            ("POST", format!("{item}/reserve"), STOCK, Some(json!({"quantity": 1}))),
            ("POST", format!("{item}/release"), STOCK, Some(json!({"quantity": 1}))),
            ("POST", format!("{item}/count"), STOCK, Some(json!({"quantity": 1, "expectedQuantity": 1}))),
            ("PUT", format!("{item}/stores/berlin"), STOCK, Some(json!({"lowStockThreshold": 1}))),
        ]);
    }
    let transfer = json!({"itemId": ITEM, "fromStoreId": "a", "toStoreId": "b", "quantity": 1});
    routes.extend([
        ("POST", TRANSFERS.to_owned(), STOCK, Some(transfer)),
        ("POST", reservation("/confirm"), RESERVATION, None),
        ("POST", reservation("/extend"), RESERVATION, Some(json!({"ttlSeconds": 60}))),
        ("DELETE", reservation(""), RESERVATION, None),
        ("PUT", format!("{STORES}/berlin"), STORE, Some(json!({"name": "Berlin"}))),
    ]);
    routes
}

#[tokio::test]
async fn the_tag_of_what_is_changed_becomes_the_expected_version_and_any_other_is_refused() {
    let whole = Whole::start().await;
    for (method, path, right, body) in routes() {
        let call = |tag: &str| {
            let call = whole.client().request(method, path.as_str()).header("if-match", tag);
            if let Some(body) = &body { call.json(body) } else { call }
        };
        call(right).send().await.expect(202);
        assert_eq!(whole.last_request().await.expected_version, Some(3), "{method} {path}");
        let list = format!("{right}, {right}");
        let weak = format!("W/{right}");
        let others = TAGS.into_iter().filter(|tag| *tag != right);
        for wrong in others.chain(["*", &list, &weak, "3", "\"3\"", ""]) {
            let answer = call(wrong).send().await;
            assert_eq!(answer.expect(400).code(), "INVALID_HEADER", "{method} {path} {wrong}");
        }
        assert_eq!(call(right).header("if-match", right).send().await.expect(400).code(), "INVALID_HEADER");
    }
    assert_eq!(whole.log().await.len(), routes().len());
}

#[tokio::test]
async fn neither_a_creation_nor_a_batch_takes_a_tag() {
    let whole = Whole::start().await;
    let creations = [
        (ITEMS, json!({"sku": "A", "name": "b"})),
        (RESERVATIONS, json!({"sku": SKU, "quantity": 1})),
        (STORES, json!({"storeId": "a", "name": "b"})),
        (BATCHES, json!({"commands": [{"type": "delete", "sku": SKU}]})),
    ];
    for (path, body) in creations {
        for tag in TAGS.into_iter().chain(["*"]) {
            let call = whole.client().request("POST", path).json(&body);
            assert_eq!(call.header("if-match", tag).send().await.expect(400).code(), "INVALID_HEADER", "{path} {tag}");
        }
    }
    assert_eq!(whole.log().await, []);
}
