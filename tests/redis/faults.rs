//! What happens to Redis, and what its readers see of it: right answers, soon.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::read_model::{FILLING, ITEMS, STATE};
use testkit::poll::{eventually, eventually_blocking};

use crate::watch::{SKU, Watch, write_and_read};
use crate::world::{SOON, World, arguments_of_redis, reader, x_cache};

const STOCK: &str = "/api/v1/inventory/items/sku/WATCHED/stock";

/// Both readers of Redis answer from it again, and what the database has.
async fn recovered(world: &World) {
    world.whole().await;
    let last = world.adjust(SKU, 1).await;
    world.settled(&last).await;
    let expected = world.database.get(STOCK).await.text();
    for reader in [&world.beside, &world.alone] {
        let answer = eventually(SOON, async || {
            let answer = reader.get(STOCK).await;
            if answer.status == 200 && x_cache(&answer) == "redis" { Ok(answer) } else { Err(answer.text()) }
        })
        .await;
        assert_eq!(answer.text(), expected);
        assert!(!answer.headers.contains_key("x-stale"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_costs_a_few_readers_a_moment_and_nobody_else_anything() {
    let Some(world) = World::start("faults: a Redis that stands still").await else { return };
    let beside = Watch::begin(&world, &world.beside).await;
    let alone = Watch::begin(&world, &world.alone).await;
    write_and_read(&world, 20).await;
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    let (before, _) = (beside.end().await, alone.end().await);
    world.redis.freeze();
    let beside = Watch::begin_again(&world.beside);
    let alone = Watch::begin_again(&world.alone);
    write_and_read(&world, 100).await;
    // Longer than two seconds without an announcement.
    let silent = Instant::now();
    eventually(SOON, async || {
        let answer = world.alone.get(STOCK).await;
        silent.elapsed() > Duration::from_secs(3) && answer.status == 503
    })
    .await;
    let (mut beside, mut alone) = (beside.end().await, alone.end().await);
    world.redis.thaw();
    assert_eq!((before.unavailable, beside.unavailable), (0, 0), "the file answers");
    let (with_file, without) = (beside.p99(), alone.p99());
    assert!(with_file < Duration::from_millis(50), "p99 {with_file:?} with the file");
    assert!(without < Duration::from_millis(50), "p99 {without:?} without it");
    let (calls, reads) = (calls(&world, "hmget"), beside.took.len() + alone.took.len());
    assert!(reads > 1000 && calls < 100, "{calls} calls for {reads} reads went to a Redis that does not answer");
    recovered(&world).await;
}

/// How many calls of a command Redis has seen since its statistics were reset.
fn calls(world: &World, command: &str) -> u64 {
    let statistics: String = world.redis.command(&["INFO", "commandstats"]);
    let prefix = format!("cmdstat_{command}:calls=");
    let line = statistics.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
    line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_killed_and_comes_back_empty_is_filled_again_without_a_restart() {
    let Some(mut world) = World::start("faults: killed").await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    write_and_read(&world, 20).await;
    crate::world::get(&world.alone, STOCK).await;
    world.redis.kill();
    let in_memory = world.alone.get(STOCK).await;
    assert_eq!((in_memory.status, x_cache(&in_memory)), (200, "memory"), "for two seconds nothing can be older");
    write_and_read(&world, 50).await;
    assert_eq!(world.beside.get("/health/ready").await.json()["status"], "degraded");
    eventually(SOON, async || world.alone.get("/health/ready").await.status == 503).await;
    // What is in memory lasts for two seconds.
    eventually(SOON, async || world.alone.get(STOCK).await.status == 503).await;
    world.redis.start_again();
    write_and_read(&world, 50).await;
    recovered(&world).await;
    assert_eq!(beside.end().await.unavailable, 0);
    assert!(alone.end().await.unavailable > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_with_an_old_dump_shows_nothing_of_it() {
    let Some(mut world) = World::with("faults: an old dump", &["--dbfilename", "old.rdb"]).await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    write_and_read(&world, 20).await;
    world.redis.command::<()>(&["SAVE"]);
    let old: String = world.redis.command(&["HGET", ITEMS, STATE]);
    write_and_read(&world, 20).await;
    world.redis.kill();
    world.redis.start_again();
    let loaded: String = world.redis.command(&["INFO", "persistence"]);
    assert!(loaded.contains("rdb_last_load_keys_loaded:") && !loaded.contains("keys_loaded:0"), "the dump was read");
    recovered(&world).await;
    let new: String = world.redis.command(&["HGET", ITEMS, STATE]);
    let generation = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["generation"].clone();
    assert_ne!(generation(&old), generation(&new));
    assert_eq!(beside.end().await.unavailable, 0);
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_is_noticed_within_half_a_second_without_a_command_and_nothing_is_missing_meanwhile() {
    let Some(world) = World::start("faults: a flush").await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    for _ in 0..5 {
        recovered(&world).await;
        // One that is lost again and again at once is filled with pauses.
        let whole_since = Instant::now();
        while whole_since.elapsed() < Duration::from_millis(1200) {
            write_and_read(&world, 1).await;
        }
        let state: String = world.redis.command(&["HGET", ITEMS, STATE]);
        world.redis.command::<()>(&["FLUSHALL"]);
        let flushed = Instant::now();
        eventually_blocking(SOON, || {
            let (filling, now): (Option<String>, Option<String>) =
                world.redis.command(&["HMGET", ITEMS, FILLING, STATE]);
            filling.is_some() || now.is_some_and(|now| now != state)
        });
        let noticed = flushed.elapsed();
        assert!(noticed < Duration::from_millis(500), "noticed after {noticed:?}");
    }
    recovered(&world).await;
    assert_eq!(beside.end().await.unavailable, 0);
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_and_connections_that_were_cut_change_nothing() {
    let Some(world) = World::start("faults: scripts and connections").await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    for _ in 0..20 {
        world.redis.command::<()>(&["SCRIPT", "FLUSH"]);
        write_and_read(&world, 2).await;
        world.alone.get("/api/v1/inventory/items").await;
        // Cuts the readers' and the projector's in the middle of whatever they do.
        let _: u64 = world.redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        write_and_read(&world, 2).await;
    }
    let _: u64 = world.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    recovered(&world).await;
    assert_eq!(beside.end().await.unavailable, 0);
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_and_evicts_nothing_falls_behind_says_so_and_catches_up() {
    let Some(world) = World::start("faults: full").await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    write_and_read(&world, 5).await;
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    write_and_read(&world, 20).await;
    let listener = world.listener.get("/health/ready").await;
    assert_eq!((listener.status, &listener.json()["status"]), (200, &json!("degraded")), "{}", listener.text());
    eventually(SOON, async || {
        let answer = world.alone.get(STOCK).await;
        answer.headers.get("x-stale").map_or(Err(answer.text()), |_| Ok(()))
    })
    .await;
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    recovered(&world).await;
    assert_eq!((beside.end().await.unavailable, alone.end().await.unavailable), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_the_model_itself_never_makes_an_item_disappear() {
    let Some(world) = World::start("faults: evicting").await else { return };
    let (beside, alone) = (Watch::begin(&world, &world.beside).await, Watch::begin(&world, &world.alone).await);
    write_and_read(&world, 5).await;
    let used: String = world.redis.command(&["INFO", "memory"]);
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok()).unwrap();
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", &(used + 300_000).to_string()]);
    let blob = "x".repeat(20_000);
    for key in 0..400 {
        world.redis.command::<()>(&["SET", &format!("somebody-elses:{key}"), &blob]);
        if key % 20 == 0 {
            write_and_read(&world, 1).await;
        }
    }
    let statistics: String = world.redis.command(&["INFO", "stats"]);
    assert!(!statistics.contains("evicted_keys:0"), "nothing was evicted, so nothing was shown");
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    recovered(&world).await;
    assert_eq!(beside.end().await.unavailable, 0);
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_redis_alone_ends_when_the_journal_behind_it_went_back() {
    let Some(mut world) = World::start("faults: a restore").await else { return };
    let created = world.create("R", "R", 1).await;
    world.settled(&created).await;
    let (running, _) = reader(&arguments_of_redis(&world.redis)).await;
    world.stop_trio().await;
    let backup = world.path().with_extension("backup");
    std::fs::copy(world.path(), &backup).expect("copied");
    world.start_trio().await;
    let adjusted = world.adjust("R", 1).await;
    world.settled(&adjusted).await;
    world.stop_trio().await;
    for file in ["inventory.db-wal", "inventory.db-shm"] {
        let _ = std::fs::remove_file(world.path().with_file_name(file));
    }
    std::fs::rename(&backup, world.path()).expect("put back");
    world.start_trio().await;
    let error = tokio::time::timeout(SOON, running.end()).await.expect("it ends").expect_err("by an error");
    assert!(format!("{error:#}").contains("went back from sequence 3 to 2"), "{error:#}");
    let answer = world.beside.get("/api/v1/inventory/items/sku/R").await;
    assert_eq!(answer.json()["quantity"], 1, "{}", answer.text());
}
