//! Pages of the catalogue.

use serde_json::{Value, json};

use crate::world::{Having, World};

async fn world() -> World {
    let mut world = World::new().await;
    let token = world.writer.commit(|batch| {
        for (sku, name, quantity, reserved) in [
            ("b", "Zange", 5, 0),
            ("A", "USB Hub", 9, 4),
            ("C", "Äpfel", 7, 7),
            ("a", "USB Cable", 5, 5),
            ("B", "hub", 1, 0),
        ] {
            batch.item(sku, name);
            batch.level(sku, quantity, reserved);
        }
        batch.level("A", 9, 4);
    });
    world.client.get(&format!("/api/v1/inventory/items?token={token}")).await.having(200);
    world
}

async fn page(world: &World, query: &str) -> Value {
    world.client.get(&format!("/api/v1/inventory/items?{query}")).await.having(200).json()
}

async fn skus(world: &World, query: &str) -> String {
    let page = page(world, query).await;
    page["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_order_is_by_code_point_with_ties_by_sku() {
    let world = world().await;
    for (sort, expected) in [
        ("sku", "ABCab"),
        ("-sku", "baCBA"),
        ("name", "aAbBC"),
        ("-name", "CBbAa"),
        ("available", "CaBAb"),
        ("-available", "AbBCa"),
        ("updatedAt", "bCaBA"),
        ("-updatedAt", "ABaCb"),
    ] {
        assert_eq!(skus(&world, &format!("sort={sort}")).await, expected, "{sort}");
    }
    assert_eq!(skus(&world, "").await, "ABCab");
}

#[tokio::test]
async fn pages_follow_each_other_and_end() {
    let world = world().await;
    let first = page(&world, "pageSize=2").await;
    assert_eq!((&first["page"], &first["pageSize"]), (&json!(1), &json!(2)));
    assert_eq!((&first["total"], &first["totalPages"]), (&json!(5), &json!(3)));
    assert_eq!(skus(&world, "pageSize=2&page=3").await, "b");
    assert_eq!(page(&world, "pageSize=100&page=100000").await["items"], json!([]));
}

#[tokio::test]
async fn q_finds_the_beginning_of_the_sku_and_of_words_of_the_name() {
    let world = world().await;
    for (q, expected) in [
        ("usb", "Aa"),
        ("HUB", "AB"),
        ("b", "Bb"),
        ("%C3%A4p", "C"),
        ("ange", ""),
        ("%20", "ABCab"),
        ("", "ABCab"),
        ("%25", ""),
    ] {
        assert_eq!(skus(&world, &format!("q={q}")).await, expected, "{q}");
        assert_eq!(page(&world, &format!("q={q}&pageSize=1")).await["total"], json!(expected.len()), "{q}");
    }
    assert_eq!(skus(&world, "q=usb&sort=-available").await, "Aa");
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    let long = "x".repeat(201);
    for query in [
        "page=0",
        "page=100001",
        "pageSize=0",
        "pageSize=101",
        "sort=price",
        "sort=--sku",
        "sort=",
        "x=1",
        "page=1&page=1",
        &format!("q={long}"),
    ] {
        let answer = world.client.get(&format!("/api/v1/inventory/items?{query}")).await.having(422);
        assert_eq!(answer.code(), "VALIDATION_FAILED", "{query}");
    }
    world.client.get(&format!("/api/v1/inventory/items?q=%20{}%20", &long[..200])).await.having(200);
}

#[tokio::test]
async fn a_page_is_kept_for_a_second_unless_a_token_or_an_outcome_asks_for_more() {
    let mut world = world().await;
    let path = "/api/v1/inventory/items?pageSize=7";
    world.client.get(path).await.having(200);
    // More than a second may pass between two requests on a busy machine, so the second look may have to be repeated.
    testkit::poll::eventually(crate::world::SOON, async || {
        let origins = [world.client.get(path).await, world.client.get(path).await];
        origins[1].header("x-cache") == Some("memory")
    })
    .await;
    let token = world.writer.commit(|batch| batch.item("D", "New"));
    assert_eq!(page(&world, &format!("pageSize=7&token={token}")).await["total"], json!(6));

    let mut command = None;
    world.writer.commit(|batch| {
        batch.item("E", "New");
        batch.outcome("applied", "ItemCreationRequested", "E");
        command = Some(batch.command);
    });
    let told = world.client.get(&format!("/api/v1/commands/{}?waitMs=30000", command.unwrap())).await.having(200);
    assert_eq!(told.json()["status"], json!("applied"));
    assert_eq!(page(&world, "pageSize=7").await["total"], json!(7));
}

#[tokio::test]
async fn a_deep_page_waits_until_all_items_are_in_memory() {
    let mut world = World::new().await;
    let token = world.writer.commit(|batch| batch.item("A", "Alone"));
    let deep = page(&world, &format!("pageSize=100&page=12&token={token}")).await;
    assert_eq!((&deep["items"], &deep["total"]), (&json!([]), &json!(1)));
    let first = world.client.get("/api/v1/inventory/items").await.having(200);
    assert_eq!(first.header("x-cache"), Some("memory"));
}
