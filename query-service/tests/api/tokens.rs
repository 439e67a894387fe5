//! Consistency tokens.

use std::time::Duration;

use serde_json::json;

use crate::world::{Having, World};
use crate::writer::{LOG, token};

const STOCK: &str = "/api/v1/inventory/items/sku/PROD-001/stock";

#[tokio::test]
async fn a_read_with_a_token_shows_the_write_it_came_from_however_it_is_sent() {
    let mut world = World::with_cable().await;
    world.client.get(STOCK).await.having(200);
    for quantity in 11..30 {
        let token = world.writer.commit(|batch| batch.level("PROD-001", quantity, 0)).to_string();
        let call = world.client.request("GET", STOCK).header("X-Consistency-Token", format!("{token}, {token}"));
        assert_eq!(call.send().await.having(200).json()["quantity"], json!(quantity));
        let answer = world.client.get(&format!("{STOCK}?token={token}")).await.having(200);
        assert_eq!((answer.json()["quantity"].clone(), answer.header("x-cache")), (json!(quantity), Some("memory")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_a_write_that_is_still_to_come() {
    let mut world = World::with_cable().await;
    let client = world.client.clone();
    let path = format!("{STOCK}?token={}", world.writer.next_token());
    let reading = tokio::spawn(async move { client.get(&path).await });
    // A write that the token does not name must not end the wait: it is a batch of no message.
    world.client.get(STOCK).await.having(200);
    world.writer.commit(|batch| batch.level("PROD-001", 77, 0));
    assert_eq!(reading.await.unwrap().having(200).json()["quantity"], json!(77));
}

#[tokio::test]
async fn a_token_that_is_not_reached_in_time_is_refused_with_the_time_to_try_again() {
    let world = World::with(|config| config.read_wait = Duration::from_millis(30)).await;
    for token in [world.writer.next_token(), token("a-log-nobody-knows", 0)] {
        for path in [STOCK, "/api/v1/inventory/items", "/api/v1/inventory/stock?skus=A"] {
            let join = if path.contains('?') { '&' } else { '?' };
            let answer = world.client.get(&format!("{path}{join}token={token}")).await.having(503);
            assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("READ_MODEL_BEHIND", Some("1")));
        }
    }
}

#[tokio::test]
async fn a_log_that_was_superseded_satisfies_every_token_of_it() {
    let mut world = World::with_cable().await;
    world.writer.commit(|batch| {
        batch.execute(
            "INSERT INTO logs (log, log_id, next_offset, first_seen_at, superseded_at) VALUES (2, 'old', 3, 0, 1)",
            (),
        );
    });
    world.client.get(&format!("{STOCK}?token={},{}", token("old", 1_000), token(LOG, 0))).await.having(200);
}
