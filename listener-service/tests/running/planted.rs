//! Each planted fault does what it says, past every line of defence, and is found.

use std::collections::BTreeSet;

use testkit::poll::eventually;
use testkit::read_model::{assert_model_equals_database, differences};
use testkit::redis_server::RedisServer;

use crate::spawned::{SOON, add_one, create, look, outcomes};
use crate::world::World;

/// One message in ten goes wrong.
const MESSAGES: i64 = 40;

/// With so many messages in the log.
async fn world() -> World {
    let mut world = World::new().await;
    for _ in 2..MESSAGES {
        world.send(&add_one("A")).await;
    }
    world
}

async fn all_is_read(world: &World) {
    eventually(SOON, async || look::<i64>(&world.path, "SELECT next_offset FROM logs") == Some(MESSAGES)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_writer_drops_is_lost() {
    let mut world = world().await;
    let _process = world.start(Some(("PLANT", "drop-command")));
    all_is_read(&world).await;
    let report = world.check();
    assert_eq!(report.lost.len(), 4, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_applied_twice_is_found_though_it_has_one_outcome() {
    let mut world = world().await;
    let _process = world.start(Some(("PLANT", "apply-twice")));
    all_is_read(&world).await;
    assert_eq!((world.outcomes(), world.look::<i64>("SELECT quantity FROM stock_levels")), (MESSAGES, MESSAGES + 4));
    let report = world.check();
    assert!(report.twice.len() >= 4, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_skipped_position_leaves_out_is_lost_and_nobody_is_fenced() {
    let mut world = world().await;
    let process = world.start(Some(("PLANT", "skip-position")));
    crate::processes::held_by(&world.path, &process).await;
    eventually(SOON, async || look::<i64>(&world.path, "SELECT count(*) FROM logs") == Some(1)).await;
    world.send(&create("B", 1)).await;
    outcomes(&world.path, 1).await;
    let moved = "UPDATE logs SET next_offset = 0";
    rusqlite::Connection::open(&world.path).expect("opened").execute_batch(moved).expect("moved by another");
    world.send(&create("C", 1)).await;
    outcomes(&world.path, 2).await;
    let report = world.check();
    assert_eq!(report.lost.len(), usize::try_from(MESSAGES).expect("few"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_the_publisher_drops_is_in_the_journal_and_on_no_topic() {
    let mut world = world().await;
    let _process = world.start(Some(("PLANT", "drop-event")));
    all_is_read(&world).await;
    world.all_is_published().await;
    world.check().assert_clean();
    let published: BTreeSet<i64> = ["inventory.items", "inventory.stock"]
        .iter()
        .flat_map(|topic| world.broker.read(topic))
        .map(|fact| serde_json::from_slice::<serde_json::Value>(&fact.value.expect("a value")).expect("JSON"))
        .map(|body| body["sequence"].as_i64().expect("a number"))
        .collect();
    let journal = 1..=world.look::<i64>("SELECT max(sequence) FROM journal");
    let missing: Vec<i64> = journal.filter(|sequence| !published.contains(sequence)).collect();
    assert_eq!(missing, [7, 17, 27, 37]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_as_it_was_before_is_found_in_the_read_model() {
    let Some(redis) = RedisServer::start("a_document_as_it_was_before_is_found_in_the_read_model", &[]) else { return };
    let address = redis.address();
    let mut world = World::new().await;
    world.redis = Some(redis);
    let skus: Vec<String> = (0..20).map(|n| format!("SKU-{n}")).collect();
    for sku in &skus {
        world.send(&create(sku, 1)).await;
    }
    let _process = world.start(Some(("PLANT", "older-document")));
    outcomes(&world.path, 22).await;
    assert_model_equals_database(&world.path, &address, SOON);
    for sku in &skus {
        world.send(&add_one(sku)).await;
    }
    outcomes(&world.path, 42).await;
    world.check().assert_clean();
    let found = eventually(SOON, async || differences(&world.path, &address)).await.1;
    assert!(found.iter().any(|found| found.contains("quantity")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_sent_twice_has_two_ids_on_its_topic_for_one_origin() {
    let mut world = World::new().await;
    world.poison().await;
    let _process = world.start(Some(("PLANT", "dead-letter-twice")));
    eventually(SOON, async || look::<i64>(&world.path, "SELECT count(*) FROM dead_letters") == Some(1)).await;
    world.all_is_published().await;
    world.check().assert_clean();
    let letters = world.broker.read("inventory.dlq");
    let header = |name: &str| -> BTreeSet<_> {
        letters.iter().flat_map(|letter| letter.headers.iter().filter(|(found, _)| found == name)).collect()
    };
    assert_eq!((letters.len(), header("dlq-id").len(), header("dlq-origin-offset").len()), (2, 2, 1));
}
