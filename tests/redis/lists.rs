//! Lists from the indexes in Redis: the same order and bytes as from the file, whatever the order and the filter.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::json;
use shared::id::ItemId;
use shared::search;
use shared::text::Sku;

use crate::world::{World, get, x_cache};

const SORTS: [&str; 8] = ["sku", "-sku", "name", "-name", "available", "-available", "updatedAt", "-updatedAt"];
/// What text is at its most awkward: case, accents, prefixes of each other, what stands before and behind letters.
const NAMES: [&str; 12] = [
    "Pen",
    "Pencil",
    "pen",
    "Pen pal set",
    "Überzug, groß",
    "ünder",
    "(Pen) refill",
    "pen  pen pen",
    "Ω meter",
    "😀 smile",
    "~tilde",
    "Pen\u{10ffff}",
];

/// Compares a page of Redis alone, and of Redis beside the file, with the file's.
async fn same_page(world: &World, query: &str) {
    let path = format!("/api/v1/inventory/items?{query}");
    let expected = world.database.get(&path).await;
    assert_eq!(expected.status, 200, "{query}: {}", expected.text());
    let alone = get(&world.alone, &path).await;
    assert_eq!((alone.text(), x_cache(&alone)), (expected.text(), "redis"), "{query}");
    assert_eq!(world.beside.get(&path).await.text(), expected.text(), "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_and_filter_gives_the_same_bytes_as_the_file() {
    let Some(world) = World::start("lists: the same bytes").await else { return };
    for number in 0..72_u32 {
        let name = NAMES[number as usize % NAMES.len()];
        world.create(&format!("P{}-{number}", number % 7), name, number % 5).await;
    }
    let sold_out = world.adjust("P4-4", -4).await;
    world.settled(&sold_out).await;
    let deleted = world.delete("P0-7").await;
    world.settled(&deleted).await;
    let renamed = world.write("PUT", "/sku/P1-8", &json!({"name": "Pen"})).await;
    world.settled(&renamed).await;
    let filters = ["", "pen", "PEN", "p", "p1-", "ü", "(pen", "pen  pen", "nothing", "😀", "~", "pen%0Ap", "set", "ω"];
    for sort in SORTS {
        for filter in filters {
            for (page, size) in [(1, 7), (3, 7), (1, 100), (9, 100)] {
                let query = format!("sort={sort}&q={filter}&page={page}&pageSize={size}");
                same_page(&world, &query).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_items_are_listed_without_loading_them_all() {
    let Some(mut world) = World::start("lists: a hundred thousand items").await else { return };
    world.stop_trio().await;
    fill(&world.path(), 100_000);
    // No fact tells of them, so the model is to be made anew.
    world.redis.command::<()>(&["FLUSHALL"]);
    world.start_trio().await;
    let last = world.create("LAST", "Last", 1).await;
    world.settled(&last).await;
    world.redis.command::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "50000"]);
    // Few terms, many, all but none; the walk goes far in the last ones.
    let filters = ["", "last", "item-0000", "item-00", "item", "blue", "blue item 77", "e"];
    for sort in SORTS {
        for filter in filters {
            for page in [1, 2, 40] {
                same_page(&world, &format!("sort={sort}&q={filter}&page={page}&pageSize=25")).await;
            }
        }
        same_page(&world, &format!("sort={sort}&page=1001&pageSize=100")).await;
    }
    // A script holds up everybody while it runs. It takes a few milliseconds; this machine may be busy with other tests.
    let slow = slow_reads(&world);
    assert!(slow.is_empty(), "{slow:?}");
    let began = Instant::now();
    world.alone.get("/api/v1/inventory/items?q=blue&page=1").await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// Items, their levels and terms, as the writer makes them, a tenth of them blue.
fn fill(path: &Path, count: u32) {
    let mut connection = Connection::open(path).expect("open");
    let transaction = connection.transaction().expect("begun");
    let execute = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql).expect(sql).execute(values).expect(sql);
    };
    for number in 0..count {
        let sku = Sku::parse(&format!("ITEM-{number:06}")).expect("a SKU");
        let colour = if number % 10 == 0 { "Blue" } else { "Red" };
        let name = format!("{colour} item {}", number.wrapping_mul(7919) % count);
        let id = *ItemId::of(&sku).uuid().as_bytes();
        let at = 1_763_806_200_000_i64 + i64::from(number % 1000);
        execute(
            "INSERT INTO items (item_id, sku, name, version, created_at, updated_at) VALUES (?1, ?2, ?3, 1, ?4, ?4)",
            params![id, sku.as_str(), name, at],
        );
        for term in search::terms(sku.as_str(), &name) {
            execute("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)", params![term, id]);
        }
        execute("INSERT INTO stock_levels VALUES (?1, 'main', ?2, 0, 1, ?3)", params![id, number % 50, at]);
    }
    execute("UPDATE progress SET items = items + ?1", params![count]);
    transaction.commit().expect("committed");
}

/// Reading scripts in Redis's log of what took long, with the microseconds that they took.
fn slow_reads(world: &World) -> Vec<(u64, Vec<String>)> {
    let entries: Vec<redis::Value> = world.redis.command(&["SLOWLOG", "GET", "1000"]);
    let parsed = entries.into_iter().map(|entry| {
        let parts: Vec<redis::Value> = redis::from_redis_value(entry).expect("an entry");
        let took: u64 = redis::from_redis_value(parts[2].clone()).expect("a number");
        let words: Vec<Vec<u8>> = redis::from_redis_value(parts[3].clone()).expect("words");
        (took, words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    });
    // Those that read have five keys, those that write eleven and more.
    let reads = |(_, words): &(u64, Vec<String>)| words[0].starts_with("EVAL") && words[2] == "5";
    parsed.filter(reads).collect()
}
