//! Low stock, most reserved and the summary, against what all items together say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::poll::eventually;

use crate::dice::Dice;
use crate::world::{Having, SOON, World, fault};
use crate::writer::{Catalogue, id};

const STORES: [&str; 3] = ["main", "berlin", "paris"];

#[derive(Default, Clone)]
struct Level {
    quantity: i64,
    reserved: i64,
    own: Option<i64>,
}

/// Forty items, some of them deleted, with levels and thresholds; as they should be told.
async fn world(dice: &mut Dice) -> (World, BTreeMap<String, (Option<i64>, BTreeMap<&'static str, Level>)>) {
    let mut world = World::new().await;
    let mut items = BTreeMap::new();
    for number in 0..40 {
        let sku = format!("S{number}");
        let threshold = dice.one_of(&[None, Some(0), Some(3), Some(50)]);
        let mut levels = BTreeMap::new();
        for store in STORES {
            if dice.below(3) > 0 {
                let reserved = dice.below(4);
                let own = dice.one_of(&[None, None, Some(5)]);
                levels.insert(store, Level { quantity: reserved + dice.below(10), reserved, own });
            }
        }
        let is_deleted = dice.below(8) == 0;
        world.writer.commit(|batch| {
            batch.item(&sku, &format!("Item {number}"));
            batch.catalogue(&sku, &Catalogue { threshold, ..Catalogue::default() });
            for (store, level) in &levels {
                batch.level_at(&sku, store, level.quantity, level.reserved);
                if level.own.is_some() {
                    batch.settings(&sku, store, level.own);
                }
            }
            if is_deleted {
                batch.delete(&sku);
            }
        });
        if !is_deleted {
            items.insert(sku, (threshold, levels));
        }
    }
    world.commit(|batch| batch.item("Z", "Without stock")).await;
    items.insert("Z".to_owned(), (None, BTreeMap::new()));
    (world, items)
}

#[tokio::test]
async fn low_stock_has_each_level_at_or_below_its_threshold_in_order_over_all_pages() {
    let (world, items) = world(&mut Dice::new(5)).await;
    let mut expected = Vec::new();
    for (sku, (threshold, levels)) in &items {
        let mut low = Vec::new();
        for (store, level) in levels {
            let available = level.quantity - level.reserved;
            if let Some(threshold) = level.own.or(*threshold).filter(|threshold| available <= *threshold) {
                low.push(json!({
                    "itemId": id(sku).to_string(), "sku": sku, "name": sku.replace('S', "Item "), "storeId": store,
                    "available": available, "threshold": threshold,
                }));
            }
        }
        expected.extend(low);
    }
    assert!(expected.len() > 20, "{}", expected.len());
    for limit in [7, 200] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.json(&format!("inventory/low-stock?limit={limit}{cursor}")).await;
            found.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected);
    }
    // The place in a cursor is a SKU and a store, whatever a client makes of it: it is a key of what is remembered.
    let first = world.json("inventory/low-stock?limit=7").await;
    let genuine = URL_SAFE_NO_PAD.decode(first["nextCursor"].as_str().unwrap()).unwrap();
    for place in ["S 1\nmain", "S-1", &format!("{}\nmain", "S".repeat(5000))] {
        let forged = URL_SAFE_NO_PAD.encode([&genuine[..8], place.as_bytes()].concat());
        let faults = world.faults(&format!("inventory/low-stock?cursor={forged}")).await;
        assert_eq!(faults, [fault("cursor", "INVALID_FORMAT")], "{place}");
    }
}

#[tokio::test]
async fn the_most_reserved_come_first_with_ties_by_sku() {
    let (world, items) = world(&mut Dice::new(6)).await;
    let mut expected: Vec<(i64, String)> = items
        .iter()
        .map(|(sku, (_, levels))| (levels.values().map(|level| level.reserved).sum(), sku.clone()))
        .filter(|(reserved, _)| *reserved > 0)
        .collect();
    expected.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let told = async |query: &str| -> Vec<(i64, String)> {
        let body = world.json(&format!("inventory/most-reserved{query}")).await;
        let read = |item: &Value| (item["reserved"].as_i64().unwrap(), item["sku"].as_str().unwrap().to_owned());
        body["items"].as_array().unwrap().iter().map(read).collect()
    };
    assert_eq!(told("?limit=200").await, expected);
    assert_eq!(told("").await, expected[..10]);
    assert_eq!(told("?limit=1").await, expected[..1]);
}

#[tokio::test]
async fn the_summary_adds_everything_up_and_its_values_may_be_greater_than_64_bits_hold() {
    let mut world = World::with_cable().await;
    world
        .commit(|batch| {
            batch.catalogue("PROD-001", &Catalogue { price: Some((1299, "EUR")), ..Catalogue::default() });
            batch.item("B", "B");
            batch.level_at("B", "berlin", 1_000, 3);
            batch.catalogue("B", &Catalogue { price: Some((0, "USD")), ..Catalogue::default() });
        })
        .await;
    let summary = world.json("inventory/summary").await;
    let expected = json!({
        "items": 2, "units": 1010, "reserved": 5, "available": 1005,
        "value": [{"currency": "EUR", "amountMinor": 12990}], "sequence": 6,
    });
    assert_eq!(summary, expected);
    // As the writer would have it for as many levels of the dearest items.
    let great =
        "UPDATE stock_value SET amount_minor = '123456789012345678901234567890' WHERE currency = 'EUR' RETURNING 1";
    assert_eq!(world.writer.rows::<i64>(great, |row| row.get(0)), [1]);
    let token = world.writer.commit_without_sums(|batch| batch.item("C", "C"));
    let text = world.client.get(&format!("/api/v1/inventory/summary?token={token}")).await.having(200).text();
    assert!(text.contains("\"amountMinor\":123456789012345678901234567890}"), "{text}");
}

#[tokio::test]
async fn an_overview_is_kept_for_as_long_as_nothing_happens_and_not_shown_older_than_a_token() {
    let mut world = World::with_cable().await;
    for path in ["inventory/summary", "inventory/low-stock", "inventory/most-reserved", "stores"] {
        let origin = async |world: &World, query: &str| {
            let answer = world.client.get(&format!("/api/v1/{path}{query}")).await.having(200);
            answer.header("x-cache").unwrap().to_owned()
        };
        assert_eq!(origin(&world, "").await, "database", "{path}");
        let read = Instant::now();
        eventually(SOON, async || read.elapsed() > Duration::from_millis(1200)).await;
        assert_eq!(origin(&world, "").await, "memory", "{path}: longer than a list");
        let token = world.writer.commit(|batch| batch.level("PROD-001", 50, 7));
        assert_eq!(origin(&world, &format!("?token={token}")).await, "database", "{path}");
        assert_eq!(origin(&world, &format!("?token={token}")).await, "memory", "{path}");
    }
    let token = world.writer.commit(|batch| batch.level("PROD-001", 50, 9));
    let most = world.json(&format!("inventory/most-reserved?token={token}")).await;
    assert_eq!(most["items"][0]["reserved"], json!(9));
    // Without a token it follows within a second.
    world.writer.commit(|batch| batch.level("PROD-001", 50, 11));
    eventually(SOON, async || world.json("inventory/most-reserved").await["items"][0]["reserved"] == json!(11)).await;
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    for (path, field, code) in [
        ("low-stock?limit=0", "limit", "OUT_OF_RANGE"),
        ("low-stock?limit=201", "limit", "OUT_OF_RANGE"),
        ("low-stock?storeId=main", "storeId", "UNKNOWN_PARAMETER"),
        ("low-stock?cursor=AAAAAAAAAAAAAAAA", "cursor", "INVALID_FORMAT"),
        ("most-reserved?limit=201", "limit", "OUT_OF_RANGE"),
        ("most-reserved?cursor=x", "cursor", "UNKNOWN_PARAMETER"),
        ("summary?limit=1", "limit", "UNKNOWN_PARAMETER"),
    ] {
        assert_eq!(world.faults(&format!("inventory/{path}")).await, [fault(field, code)], "{path}");
    }
    assert_eq!(world.json("inventory/low-stock").await, json!({"items": [], "nextCursor": null}));
}
