//! Lists from the indexes in Redis: the same order and bytes as from the file, whatever the order and the filter.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::json;
use shared::id::ItemId;
use shared::search;
use shared::text::Sku;

use crate::world::{World, get, x_cache};

/// A script holds up everybody while it runs. It takes a few milliseconds.
const SLOW: Duration = Duration::from_millis(50);
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
async fn every_combination_of_filters_gives_the_same_bytes_as_the_file() {
    let Some(world) = World::start("lists: filters").await else { return };
    let shop = json!({"storeId": "shop", "name": "A shop"});
    world.send("POST", "/stores", &shop).await;
    for number in 0..48_u32 {
        let mut item = json!({
            "sku": format!("F-{number:02}"), "name": NAMES[number as usize % NAMES.len()], "quantity": number % 3,
        });
        if number % 4 > 0 {
            item["category"] = json!(["Pens", "Pens & more", "pens"][number as usize % 3]);
        }
        if number % 5 > 0 {
            let currency = ["EUR", "USD"][number as usize % 2];
            item["price"] = json!({"amountMinor": u64::from(number) * 100, "currency": currency});
        }
        world.write("POST", "", &item).await;
        if number % 6 == 0 {
            let there = json!({"quantity": 2, "storeId": "shop"});
            world.write("POST", &format!("/sku/F-{number:02}/adjust"), &there).await;
        }
    }
    // All that the shop has of one.
    let held = world.send("POST", "/reservations", &json!({"sku": "F-12", "quantity": 2, "storeId": "shop"})).await;
    world.settled(&held).await;
    let last = world.delete("F-06").await;
    world.settled(&last).await;
    let names = ["", "&q=pen"];
    let categories = ["", "&category=Pens", "&category=Pens+%26+more", "&category=none"];
    let stocks = [
        "",
        "&storeId=shop",
        "&storeId=main",
        "&inStock=true",
        "&inStock=false",
        "&storeId=shop&inStock=true",
        "&storeId=shop&inStock=false",
        "&storeId=nowhere",
    ];
    let prices = [
        "",
        "&currency=EUR",
        "&currency=EUR&minPrice=400&maxPrice=2000",
        "&currency=USD&minPrice=100",
        "&currency=EUR&minPrice=9&maxPrice=8",
    ];
    for (number, name) in names.into_iter().enumerate() {
        for category in categories {
            for stock in stocks {
                for (n, price) in prices.into_iter().enumerate() {
                    let sort = SORTS[(number + n + category.len() + stock.len()) % SORTS.len()];
                    same_page(&world, &format!("sort={sort}&pageSize=5{name}{category}{stock}{price}")).await;
                    same_page(&world, &format!("sort={sort}&pageSize=5&page=2{name}{category}{stock}{price}")).await;
                }
            }
        }
    }
    let words = world.alone.get("/api/v1/inventory/items?search=pen").await;
    assert_eq!((words.status, &words.json()["code"]), (503, &json!("SOURCE_UNAVAILABLE")), "only the file has them");
    assert_eq!(world.beside.get("/api/v1/inventory/items?search=pen").await.status, 200);
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
    let micros = SLOW.as_micros().to_string();
    world.redis.command::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", &micros]);
    // Few terms, many, all but none; the walk goes far in the last ones.
    let filters = ["", "last", "item-0000", "item-00", "item", "blue", "blue item 77", "e"];
    for sort in SORTS {
        for filter in filters {
            for page in [1, 40] {
                same_page(&world, &format!("sort={sort}&q={filter}&page={page}&pageSize=25")).await;
            }
        }
        same_page(&world, &format!("sort={sort}&page=1001&pageSize=100")).await;
        // Few have it; many have it; many have several; one of several is rare.
        let filters = [
            "category=c-7",
            "inStock=true",
            "storeId=east&inStock=true",
            "category=even&inStock=true",
            "category=even&storeId=main&currency=EUR&minPrice=1000&maxPrice=90000",
            "category=c-7&q=blue",
            "currency=EUR&minPrice=500&maxPrice=509",
            "q=item&inStock=false",
            "q=blue&category=even&storeId=east",
        ];
        for filter in filters {
            same_page(&world, &format!("sort={sort}&{filter}&page=3&pageSize=25")).await;
        }
    }
    assert_eq!(slow_reads(&world), [""; 0]);
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
        let category = match number {
            _ if number % 2 == 0 => "even".to_owned(),
            _ => format!("c-{}", number / 100),
        };
        execute(
            "INSERT INTO items (item_id, sku, name, version, created_at, updated_at, number, category, price_minor, currency)
             VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, 'EUR')",
            params![id, sku.as_str(), name, at, number + 1, category, number],
        );
        for term in search::terms(sku.as_str(), &name) {
            execute("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)", params![term, id]);
        }
        let stores = if number % 3 == 0 { &["main", "east"][..] } else { &["main"] };
        for store in stores {
            execute(
                "INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at)
                 VALUES (?1, ?2, ?3, 0, 1, ?4)",
                params![id, store, number % 50, at],
            );
        }
    }
    execute("UPDATE progress SET items = items + ?1", params![count]);
    transaction.commit().expect("committed");
}

/// Reading scripts in Redis's log of what took long, that take long again. Once is no sign: a busy machine may have held
/// them up.
fn slow_reads(world: &World) -> Vec<String> {
    let entries: Vec<redis::Value> = world.redis.command(&["SLOWLOG", "GET", "1000"]);
    let calls = entries.into_iter().map(|entry| {
        let parts: Vec<redis::Value> = redis::from_redis_value(entry).expect("an entry");
        redis::from_redis_value::<Vec<Vec<u8>>>(parts[3].clone()).expect("words")
    });
    // Those that read have seven keys at most, those that write 22 and more.
    let reads = calls.filter(|words| words[0].starts_with(b"EVAL") && words[2].len() == 1);
    let slow = reads.filter(|words| (0..5).all(|_| took(world, words) > SLOW));
    slow.map(|words| String::from_utf8_lossy(&words.join(&b' ')).into_owned()).collect()
}

fn took(world: &World, words: &[Vec<u8>]) -> Duration {
    let began = Instant::now();
    world.redis.command::<redis::Value>(words);
    began.elapsed()
}
