//! A database that is not there, not yet, or not any more.

use std::time::Duration;

use serde_json::json;
use shared::settings::RedisAddress;
use testkit::poll::eventually;

use crate::world::{Having, SOON, World, config, ready, serve};
use crate::writer::Writer;

const ITEM: &str = "/api/v1/inventory/items/sku/PROD-001";

#[tokio::test]
async fn without_a_database_the_service_starts_says_so_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/inventory.db");
    let (client, shutdown, running) = serve(config(path.clone())).await;
    for path in [ITEM, "/api/v1/inventory/items", "/api/v1/inventory/stock?skus=A"] {
        let answer = client.get(path).await.having(503);
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("SOURCE_UNAVAILABLE", Some("1")));
    }
    let outcome = client.get("/api/v1/commands/5ba52b28-0660-54e0-a935-615efcb68195?waitMs=30000").await.having(503);
    assert_eq!(outcome.code(), "SOURCE_UNAVAILABLE");
    let down = client.get("/health/ready").await.having(503).json();
    assert_eq!(down["dependencies"]["database"]["status"], json!("down"));
    client.get("/health/live").await.having(200);
    assert!(!path.exists(), "a reader never creates the file");

    std::fs::create_dir(folder.path().join("data")).unwrap();
    let mut writer = Writer::create(&path);
    writer.commit(|batch| batch.item("PROD-001", "Cable"));
    ready(&client).await;
    client.get(ITEM).await.having(200);
    shutdown.begin(Duration::from_secs(5));
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_in_memory_is_answered_as_stale_while_the_database_cannot_be_read() {
    let mut world = World::with_cable().await;
    world.client.get(ITEM).await.having(200);
    world.writer.commit(|batch| batch.execute("ALTER TABLE journal RENAME TO hidden", ()));
    eventually(SOON, async || world.client.get("/health/ready").await.status == 503).await;
    for path in [ITEM, "/api/v1/inventory/stock?skus=PROD-001"] {
        let stale = world.client.get(path).await.having(200);
        assert_eq!((stale.header("x-stale"), stale.header("x-cache")), (Some("true"), Some("memory")));
    }
    for path in ["/api/v1/inventory/items/sku/B", "/api/v1/inventory/stock?skus=PROD-001,B"] {
        assert_eq!(world.client.get(path).await.having(503).code(), "SOURCE_UNAVAILABLE");
    }
    world.writer.commit(|batch| {
        batch.execute("ALTER TABLE hidden RENAME TO journal", ());
        batch.level("PROD-001", 99, 0);
    });
    ready(&world.client).await;
    let answer = world.client.get(ITEM).await.having(200);
    assert_eq!((answer.json()["quantity"].clone(), answer.header("x-stale")), (json!(99), None));
}

#[tokio::test]
async fn a_reader_without_the_file_says_what_it_cannot_answer() {
    let mut config = config("unused.db".into());
    config.sqlite_path = None;
    // Nobody listens there, so whatever it could ask Redis for is not there either.
    config.redis = Some(RedisAddress { host: "127.0.0.1".to_owned(), port: 1, password: None, database: 0 });
    let (client, _shutdown, _running) = serve(config).await;
    for (path, detail) in [
        ("inventory/movements", "without the database: movements"),
        ("inventory/items/sku/A/stock?asOf=1", "without the database: what a level was"),
        ("inventory/items?search=usb", "without the database: full text"),
        ("inventory/items?category=c", "the source cannot be read now"),
        ("inventory/low-stock", "the source cannot be read now"),
        ("inventory/most-reserved", "the source cannot be read now"),
        ("inventory/summary", "the source cannot be read now"),
        ("stores", "the source cannot be read now"),
        ("stores/main", "the source cannot be read now"),
        ("reservations", "the source cannot be read now"),
        ("reservations/5ba52b28-0660-54e0-a935-615efcb68195", "the source cannot be read now"),
        ("inventory/items/sku/A/availability", "the source cannot be read now"),
    ] {
        let answer = client.get(&format!("/api/v1/{path}")).await.having(503);
        assert_eq!(answer.code(), "SOURCE_UNAVAILABLE", "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_taken_port_is_refused_by_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config("unused.db".into());
    config.port = taken.local_addr().unwrap().port();
    let error = query_service::App::build(config).await.unwrap_err().to_string();
    assert!(error.contains("QUERY_PORT"), "{error}");
}

#[tokio::test]
async fn metrics_tell_where_answers_came_from_and_how_far_the_follower_is() {
    let world = World::with_cable().await;
    world.client.get(ITEM).await.having(200);
    let metrics = world.client.get("/metrics").await.having(200).text();
    assert!(metrics.contains("inventory_cache_requests_total{source=\"database\"}"), "{metrics}");
    assert!(metrics.contains("inventory_follower_sequence "), "{metrics}");
}

#[tokio::test]
async fn every_reading_route_is_documented() {
    let world = World::new().await;
    let documented: Vec<&str> = world.client.document().operations().map(|(_, path)| path).collect();
    for path in [
        "/api/v1/inventory/items",
        "/api/v1/inventory/items/{itemId}",
        "/api/v1/inventory/items/sku/{sku}",
        "/api/v1/inventory/items/{itemId}/stock",
        "/api/v1/inventory/items/sku/{sku}/stock",
        "/api/v1/inventory/items/{itemId}/availability",
        "/api/v1/inventory/items/sku/{sku}/availability",
        "/api/v1/inventory/stock",
        "/api/v1/inventory/movements",
        "/api/v1/inventory/low-stock",
        "/api/v1/inventory/most-reserved",
        "/api/v1/inventory/summary",
        "/api/v1/reservations",
        "/api/v1/reservations/{reservationId}",
        "/api/v1/stores",
        "/api/v1/stores/{storeId}",
        "/api/v1/commands/{commandId}",
    ] {
        assert!(documented.contains(&path), "{path}: {documented:?}");
    }
    let document = world.client.request("GET", "/api-docs/openapi.json").send_unchecked().await.json();
    let ids: Vec<_> = documented.iter().map(|path| document["paths"][path]["get"]["operationId"].to_string()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn an_older_schema_is_waited_for_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.db");
    let mut writer = Writer::create_at(&path, 1);
    let (client, _shutdown, _running) = serve(config(path)).await;
    let detail = async || client.get("/health/ready").await.json()["dependencies"]["database"]["detail"].to_string();
    eventually(SOON, async || detail().await.contains("version 1 and this program reads version 3")).await;
    assert!(detail().await.contains("listener-service migrates it"), "{}", detail().await);
    client.get(ITEM).await.having(503);

    writer.migrate(1, 3);
    writer.commit(|batch| batch.item("PROD-001", "Cable"));
    ready(&client).await;
    client.get(ITEM).await.having(200);

    writer.set_schema_version(4);
    eventually(SOON, async || detail().await.contains("version 4 and this program reads only version 3")).await;
    client.get("/health/ready").await.having(503);
    assert_eq!(client.get("/api/v1/inventory/items").await.having(503).code(), "SOURCE_UNAVAILABLE");
    assert_eq!(client.get(ITEM).await.having(200).header("x-stale"), Some("true"));
}
