//! What a query-service answers from Redis is what it answers from the database.

use serde_json::json;
use shared::token::{ConsistencyToken, LogId};
use testkit::contract::Client;
use testkit::poll::eventually;

use crate::world::{SOON, World, get, x_cache};

/// The same status and bytes from Redis, beside the file and alone, as from the file.
async fn same_everywhere(world: &World, path: &str) {
    let expected = world.database.get(path).await;
    assert_ne!(x_cache(&expected), "redis", "{path}");
    for reader in [&world.beside, &world.alone] {
        let answer = get(reader, path).await;
        assert_eq!((answer.status, answer.text()), (expected.status, expected.text()), "{path}");
        assert_eq!(answer.headers.get("etag"), expected.headers.get("etag"), "{path}");
        assert_eq!(x_cache(&answer), "redis", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_levels_carts_and_outcomes_are_the_same_bytes_as_from_the_file() {
    let Some(world) = World::start("reading: the same bytes").await else { return };
    let created = world.create("PROD-001", "USB-C cable \"2 m\" – übergroß", 10).await;
    world.write("POST", "", &json!({"sku": "b", "name": "B", "description": "two\nlines"})).await;
    let rejected = world.adjust("PROD-001", -11).await;
    let gone = world.create("gone", "Gone", 1).await;
    world.settled(&gone).await;
    let last = world.delete("gone").await;
    world.settled(&last).await;
    let id = "5ba52b28-0660-54e0-a935-615efcb68195";
    for path in [
        format!("/api/v1/inventory/items/{id}"),
        "/api/v1/inventory/items/sku/PROD-001".to_owned(),
        "/api/v1/inventory/items/sku/b".to_owned(),
        format!("/api/v1/inventory/items/{id}/stock"),
        "/api/v1/inventory/items/sku/b/stock".to_owned(),
        "/api/v1/inventory/stock?skus=PROD-001,b,gone,never".to_owned(),
        "/api/v1/inventory/items".to_owned(),
        format!("/api/v1/commands/{}?token={}", created.command_id, created.token),
        format!("/api/v1/commands/{}", rejected.command_id),
    ] {
        same_everywhere(&world, &path).await;
    }
    for path in ["/api/v1/inventory/items/sku/gone", "/api/v1/inventory/items/sku/never/stock"] {
        for reader in [&world.database, &world.beside, &world.alone] {
            let answer = get(reader, path).await;
            assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("NOT_FOUND")), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_with_a_token_sees_the_write_and_a_waiting_outcome_comes_at_once_from_redis_alone() {
    let Some(world) = World::start("reading: tokens").await else { return };
    let created = world.create("T", "T", 0).await;
    let outcome = |command: String| {
        let alone = world.alone.clone();
        async move { get(&alone, &format!("/api/v1/commands/{command}?waitMs=20000")).await.json() }
    };
    assert_eq!(outcome(created.command_id.clone()).await["status"], "applied");
    for quantity in 1..=50 {
        let adjusted = world.adjust("T", 1).await;
        let read = get(&world.alone, &format!("/api/v1/inventory/items/sku/T/stock?token={}", adjusted.token)).await;
        assert_eq!((read.status, &read.json()["quantity"]), (200, &json!(quantity)), "{}", read.text());
        let began = std::time::Instant::now();
        assert_eq!(outcome(adjusted.command_id).await["status"], "applied");
        assert!(began.elapsed().as_secs() < 10, "it waited for its time to be up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_alone_cannot_tell_is_source_unavailable_and_never_pending_or_unknown() {
    let Some(world) = World::start("reading: what Redis cannot tell").await else { return };
    let call = world.command.request("POST", "/api/v1/inventory/items").header("Idempotency-Key", "one");
    let answer = call.json(&json!({"sku": "K", "name": "K"})).send().await.json();
    let (command, token) = (answer["commandId"].as_str().unwrap().to_owned(), &answer["consistencyToken"]);
    let path = format!("/api/v1/commands/{command}?token={}", token.as_str().unwrap());
    eventually(SOON, async || world.alone.get(&path).await.json()["status"] == "applied").await;
    // As after an hour.
    world.redis.command::<u32>(&["DEL", &format!("inventory:outcome:{command}")]);
    let log = world.listener.get("/monitoring/stats").await.json()["log"].as_str().unwrap().to_owned();
    // Of a write that is still to come, and has nothing to do with this command.
    let ahead = ConsistencyToken { log: LogId::cluster(&log), offset: 1_000_000 };
    let with_another = format!("/api/v1/commands/{command}?token={ahead}");
    for path in [&path, &format!("/api/v1/commands/{command}"), &with_another] {
        let answer = world.alone.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("SOURCE_UNAVAILABLE")), "{}", answer.text());
        assert_eq!(world.beside.get(path).await.json()["status"], "applied", "the file has it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_superseded_satisfies_its_tokens_for_readers_of_redis_alone_too() {
    let Some(mut world) = World::start("reading: a superseded log").await else { return };
    let created = world.create("S", "S", 1).await;
    world.settled(&created).await;
    world.stop_trio().await;
    world.start_trio().await;
    world.whole().await;
    let later = world.create("S2", "S2", 1).await;
    world.settled(&later).await;
    world.settled(&created).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_starts_later_and_one_whose_listener_is_gone_serve_what_was_applied_last() {
    let Some(mut world) = World::start("reading: the listener is gone").await else { return };
    let created = world.create("L", "L", 7).await;
    world.settled(&created).await;
    world.stop_trio().await;
    let (running, late) = crate::world::reader(&crate::world::arguments_of_redis(&world.redis)).await;
    let is_marked = async |reader: &Client| {
        let answer = reader.get("/api/v1/inventory/items/sku/L").await;
        assert_eq!(answer.json()["quantity"], 7, "{}", answer.text());
        answer.headers.get("x-stale").is_some_and(|stale| stale == "true")
    };
    eventually(SOON, async || late.get("/health/ready").await.json()["status"] == "degraded").await;
    eventually(SOON, async || is_marked(&late).await && is_marked(&world.alone).await).await;
    let read = late.get(&format!("/api/v1/inventory/items/sku/L?token={}", created.token)).await;
    assert_eq!(read.status, 200, "what the model has satisfies the token: {}", read.text());
    world.start_trio().await;
    eventually(SOON, async || !is_marked(&late).await && !is_marked(&world.alone).await).await;
    running.stop().await.expect("it ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_used_and_one_that_is_wrong_is_told_and_does_not_end_anything() {
    let options = ["--requirepass", "right"];
    let Some(world) = World::with("reading: a password", &options).await else { return };
    let created = world.create("P", "P", 1).await;
    world.settled(&created).await;
    assert_eq!(x_cache(&get(&world.alone, "/api/v1/inventory/items/sku/P").await), "redis");
    let mut arguments = crate::world::arguments_of_redis(&world.redis);
    *arguments.last_mut().unwrap() = "wrong".to_owned();
    let (running, locked_out) = crate::world::reader(&arguments).await;
    eventually(SOON, async || {
        let health = locked_out.get("/health/ready").await;
        let detail = health.json()["dependencies"]["redis"]["detail"].as_str().unwrap_or_default().to_lowercase();
        if health.status == 503 && detail.contains("password") { Ok(()) } else { Err(health.text()) }
    })
    .await;
    assert_eq!(locked_out.get("/api/v1/inventory/items/sku/P").await.status, 503);
    running.stop().await.expect("it ended well");
}

/// Without a projector that would put it right at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_came_back_from_a_dump_or_says_nothing_of_itself_is_not_read() {
    let Some(mut world) = World::with("reading: not vouched for", &["--dbfilename", "old.rdb"]).await else { return };
    let created = world.create("OLD", "Old", 1).await;
    world.settled(&created).await;
    world.stop_trio().await;
    world.redis.command::<()>(&["SAVE"]);
    world.redis.kill();
    world.redis.start_again();
    let path = "/api/v1/inventory/items/sku/OLD";
    let id: String = get(&world.database, path).await.json()["id"].as_str().unwrap().to_owned();
    let loaded: Option<String> = world.redis.command(&["HGET", "inventory:items", &id]);
    assert!(loaded.is_some(), "the dump was read");
    let arguments = crate::world::arguments_of_redis(&world.redis);
    let (alone, fresh) = crate::world::reader(&arguments).await;
    let file = ["--sqlite-path".to_owned(), world.path().display().to_string()];
    let (beside, with_file) = crate::world::reader(&[&arguments[..], &file].concat()).await;
    let not_read = async || {
        for (reader, dependency) in [(&fresh, "down"), (&with_file, "degraded")] {
            eventually(SOON, async || {
                let told = reader.get("/health/ready").await.json()["dependencies"]["redis"].clone();
                let is_told = told["status"] == dependency && told["detail"].as_str().unwrap().contains("not whole");
                if is_told { Ok(()) } else { Err(told) }
            })
            .await;
        }
        assert_eq!(fresh.get(path).await.json()["code"], "SOURCE_UNAVAILABLE");
        assert_eq!(fresh.get("/api/v1/inventory/items/sku/NEVER").await.json()["code"], "SOURCE_UNAVAILABLE");
        assert_eq!(fresh.get("/api/v1/inventory/items").await.json()["code"], "SOURCE_UNAVAILABLE");
        assert_ne!(x_cache(&get(&with_file, path).await), "redis");
    };
    not_read().await;
    let _: u64 = world.redis.command(&["HDEL", "inventory:items", "state"]);
    not_read().await;
    for reader in [alone, beside] {
        reader.stop().await.expect("it ended well");
    }
}
