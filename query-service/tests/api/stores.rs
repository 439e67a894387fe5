//! Stores.

use serde_json::json;

use crate::world::{Having, World, fault};

#[tokio::test]
async fn main_is_there_from_the_beginning_and_stores_are_listed_by_id() {
    let mut world = World::new().await;
    let main = world.json("stores/main").await;
    assert_eq!(
        (&main["name"], &main["location"], &main["active"], &main["version"]),
        (&json!("Main"), &json!(null), &json!(true), &json!(1))
    );
    world
        .commit(|batch| {
            batch.store("paris", "Paris", None, false);
            batch.store("berlin", "Berlin", Some("Alexanderplatz"), true);
        })
        .await;
    let token = world.writer.commit(|batch| batch.store("paris", "Paris 2", Some("Rue 1"), true));
    let list = world.json(&format!("stores?token={token}")).await;
    let paris = json!({
        "storeId": "paris", "name": "Paris 2", "location": "Rue 1", "active": true, "version": 2,
        "createdAt": "2025-11-22T10:10:00.001Z", "updatedAt": "2025-11-22T10:10:00.003Z",
    });
    let ids: Vec<_> =
        list["stores"].as_array().unwrap().iter().map(|store| store["storeId"].as_str().unwrap()).collect();
    assert_eq!((ids, &list["stores"][2]), (vec!["berlin", "main", "paris"], &paris));
    let answer = world.client.get("/api/v1/stores/paris").await.having(200);
    assert_eq!((answer.json(), answer.header("etag")), (paris, Some("\"t2\"")));
}

#[tokio::test]
async fn a_store_is_kept_until_it_changes_and_not_sent_again_to_who_has_it() {
    let mut world = World::new().await;
    world.commit(|batch| batch.store("berlin", "Berlin", None, true)).await;
    let ask = async |world: &World, tag: &str| {
        world.client.request("GET", "/api/v1/stores/berlin").header("If-None-Match", tag).send().await
    };
    assert_eq!(ask(&world, "\"t0\"").await.having(200).header("x-cache"), Some("database"));
    assert_eq!(ask(&world, "\"t1\"").await.having(304).header("x-cache"), Some("memory"));
    world.commit(|batch| batch.store("berlin", "Berlin", None, false)).await;
    let changed = ask(&world, "\"t1\"").await.having(200);
    assert_eq!((changed.json()["active"].clone(), changed.header("x-cache")), (json!(false), Some("database")));
}

#[tokio::test]
async fn what_is_no_store_and_what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    assert_eq!(
        world.client.get("/api/v1/stores/Main").await.having(404).json()["detail"],
        json!("there is no such store")
    );
    assert_eq!(world.client.get("/api/v1/stores/-?x=1").await.having(400).code(), "INVALID_ID");
    for path in ["stores?page=1", "stores/main?page=1"] {
        assert_eq!(world.faults(path).await, [fault("page", "UNKNOWN_PARAMETER")]);
    }
}
