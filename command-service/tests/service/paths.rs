//! Ids in paths: any UUID in its hyphenated form, any SKU that keeps the rule, nothing else.

use serde_json::json;

use crate::harness::{ITEM, ITEMS, RESERVATION, RESERVATIONS, SKU, STORES, Whole, by_id, by_sku};

#[tokio::test]
async fn an_item_can_be_written_in_other_letters_or_percent_encoded() {
    let whole = Whole::start().await;
    let upper = ITEM.to_uppercase();
    for path in [format!("{ITEMS}/{upper}"), format!("{ITEMS}/%35{}", &ITEM[1..]), format!("{ITEMS}/sku/PROD%2D001")] {
        whole.client().put(&path, &json!({"name": "Cable"})).await.expect(202);
        assert_eq!(whole.last_request().await.aggregate_id.to_string(), ITEM, "{path}");
    }
    let any = "00000000-0000-0000-0000-000000000000";
    whole.client().delete(&format!("{ITEMS}/{any}")).await.expect(202);
    assert_eq!(whole.last_request().await.aggregate_id.to_string(), any);
    // `sku` and `adjust` are SKUs like any other.
    whole.client().delete(&format!("{ITEMS}/sku/sku")).await.expect(202);
    whole.client().post(&format!("{ITEMS}/sku/adjust/adjust"), &json!({"quantity": 1})).await.expect(202);
}

#[tokio::test]
async fn anything_else_is_an_invalid_id_and_nothing_is_emitted() {
    let whole = Whole::start().await;
    let simple = ITEM.replace('-', "");
    let braced = format!("%7B{ITEM}%7D");
    let long = "A".repeat(65);
    for segment in ["no-id", "%zz", "%ff", "%00", "sku", &simple, &braced, &ITEM[1..], &format!("{ITEM}%20"), SKU] {
        let path = format!("{ITEMS}/{segment}");
        assert_eq!(whole.client().delete(&path).await.expect(400).code(), "INVALID_ID", "{path}");
    }
    for segment in ["-A", ".a", "a%20b", "%20A", "A%2FB", "%C3%A4", "%ff", "%zz", "%00", "*", &long] {
        let path = format!("{ITEMS}/sku/{segment}");
        assert_eq!(whole.client().delete(&path).await.expect(400).code(), "INVALID_ID", "{path}");
        let path = format!("{path}/reserve");
        let answer = whole.client().post(&path, &json!({"quantity": 1})).await;
        assert_eq!(answer.expect(400).code(), "INVALID_ID", "{path}");
    }
    assert_eq!(whole.log().await, []);
}

#[tokio::test]
async fn a_reservation_is_named_by_any_uuid_and_a_store_by_any_code() {
    let whole = Whole::start().await;
    let upper = RESERVATION.to_uppercase();
    whole.client().delete(&format!("{RESERVATIONS}/{upper}")).await.expect(202);
    assert_eq!(whole.last_request().await.aggregate_id.to_string(), RESERVATION);
    whole.client().put(&format!("{STORES}/no%2Dsuch.store"), &json!({"name": "Any"})).await.expect(202);
    assert_eq!(whole.last_request().await.aggregate_id.to_string(), "no-such.store");
    let long = "A".repeat(65);
    let settings = json!({"lowStockThreshold": 1});
    for segment in ["-A", "a%20b", "%ff", "%C3%A4", &long] {
        for path in
            [format!("{STORES}/{segment}"), by_id(&format!("/stores/{segment}")), by_sku(&format!("/stores/{segment}"))]
        {
            assert_eq!(whole.client().put(&path, &settings).await.expect(400).code(), "INVALID_ID", "{path}");
        }
    }
    for segment in ["no-id", SKU, "main", "%ff"] {
        let path = format!("{RESERVATIONS}/{segment}");
        assert_eq!(whole.client().delete(&path).await.expect(400).code(), "INVALID_ID", "{path}");
        for rest in ["/confirm", "/extend"] {
            let path = format!("{path}{rest}");
            assert_eq!(whole.client().post(&path, &json!({})).await.expect(400).code(), "INVALID_ID", "{path}");
        }
    }
    let item = format!("{ITEMS}/no-id/stores/-A");
    let detail = whole.client().put(&item, &settings).await.expect(400).json()["detail"].to_string();
    assert!(detail.contains("itemId"), "the first of two: {detail}");
    assert_eq!(whole.log().await.len(), 2);
}
