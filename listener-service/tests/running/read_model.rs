//! The running listener and a real Redis.

use serde_json::Value;
use testkit::poll::eventually;
use testkit::read_model::assert_model_equals_database;
use testkit::redis_server::RedisServer;

use crate::app::{Listener, database};
use crate::spawned::{Broker, SOON, add_one, create, outcomes};

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_a_redis_keeps_the_read_model_there_and_says_how_it_is() {
    let test = "a_listener_with_a_redis_keeps_the_read_model_there_and_says_how_it_is";
    let Some(mut redis) = RedisServer::start(test, &[]) else { return };
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start_with(&broker, &path, Some(redis.address())).await;
    broker.send(&create("A", 3)).await;
    outcomes(&path, 1).await;
    let state = assert_model_equals_database(&path, &redis.address(), SOON);
    let told = async || listener.client.get("/monitoring/stats").await.json()["readModel"].clone();
    let expected = serde_json::json!({"sequence": 2, "generation": state.generation, "isWhole": true});
    eventually(SOON, async || told().await == expected).await;
    let health = async || listener.client.get("/health/ready").await;
    eventually(SOON, async || health().await.json()["dependencies"]["redis"]["status"] == "up").await;

    redis.kill();
    broker.send(&add_one("A")).await;
    outcomes(&path, 2).await;
    eventually(SOON, async || health().await.json()["dependencies"]["redis"]["status"] == "degraded").await;
    assert_eq!(health().await.status, 200, "it does its work all the same");
    assert_eq!(told().await["isWhole"], false, "nobody knows");
    redis.start_again();
    assert_model_equals_database(&path, &redis.address(), SOON);
    let metrics = listener.client.get("/metrics").await;
    assert_eq!(metrics.status, 200);

    broker.send(&add_one("A")).await;
    outcomes(&path, 3).await;
    listener.stop().await;
    assert_model_equals_database(&path, &redis.address(), SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_does_not_project_and_does_when_it_writes() {
    let Some(redis) = RedisServer::start("one_that_stands_by_does_not_project_and_does_when_it_writes", &[]) else {
        return;
    };
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let first = Listener::start_with(&broker, &path, Some(redis.address())).await;
    let before = assert_model_equals_database_later(&path, &redis).await;
    let second = Listener::start_with(&broker, &path, Some(redis.address())).await;
    eventually(SOON, async || second.is_ready().await).await;
    assert_eq!(second.client.get("/monitoring/stats").await.json()["readModel"], Value::Null, "it does not project");
    first.stop().await;
    broker.send(&create("A", 3)).await;
    outcomes(&path, 1).await;
    let after = assert_model_equals_database(&path, &redis.address(), SOON);
    assert_eq!((after.generation, after.epoch), (before.generation, 2), "adopted, not filled");
    second.stop().await;
}

/// There is no database yet.
async fn assert_model_equals_database_later(path: &std::path::Path, redis: &RedisServer) -> shared::read_model::State {
    eventually(SOON, async || path.exists()).await;
    assert_model_equals_database(path, &redis.address(), SOON)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_redis_there_is_none_to_be_up_or_down() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    eventually(SOON, async || listener.is_ready().await).await;
    assert_eq!(listener.client.get("/health/ready").await.json()["dependencies"]["redis"], Value::Null);
    let stats = listener.client.get("/monitoring/stats").await.json();
    assert!(stats.get("readModel").is_none(), "{stats}");
    listener.stop().await;
}
