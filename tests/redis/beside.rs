//! What is beside the items: reservations, stores, and what is told of the whole inventory, from Redis and from the file.

use serde_json::{Value, json};
use shared::id::ReservationId;
use shared::read_model::{ITEMS, RESERVATIONS, ReservationIndex, STATE, State, numbered};
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;

use crate::world::{SOON, World, get, x_cache};

/// A minute from now, a second has gone: all else is the same.
fn at_any_moment(answer: &Answer) -> Value {
    let mut body = answer.json();
    let mut reservations: Vec<&mut Value> = match body.get("reservations") {
        Some(_) => body["reservations"].as_array_mut().expect("an array").iter_mut().collect(),
        None => vec![&mut body],
    };
    for reservation in &mut reservations {
        if let Some(left) =
            reservation.get_mut("remainingSeconds").filter(|left| left.as_u64().is_some_and(|left| left > 0))
        {
            *left = json!("some");
        }
    }
    body
}

/// The same from Redis, beside the file and alone, as from the file; but for the seconds left.
async fn same_everywhere(world: &World, path: &str) -> Answer {
    let path = format!("/api/v1{path}");
    let expected = world.database.get(&path).await;
    assert!(expected.status == 200 || expected.status == 404, "{path}: {}", expected.text());
    for reader in [&world.beside, &world.alone] {
        let answer = get(reader, &path).await;
        assert_eq!(answer.status, expected.status, "{path}: {}", answer.text());
        if expected.status == 200 {
            assert_eq!(at_any_moment(&answer), at_any_moment(&expected), "{path}");
            assert_eq!(answer.text().len(), expected.text().len(), "{path}: the same bytes, but for digits");
            assert_eq!(answer.headers.get("etag"), expected.headers.get("etag"), "{path}");
            assert_eq!(x_cache(&answer), "redis", "{path}");
        }
    }
    expected
}

/// Every page of a list, one after the other.
async fn same_pages(world: &World, path: &str) -> usize {
    let mut cursor = String::new();
    let mut rows = 0;
    loop {
        let page = same_everywhere(world, &format!("{path}{cursor}")).await.json();
        let list = page["reservations"].as_array().or(page["items"].as_array()).expect("a list");
        rows += list.len();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// Two stores, five items and reservations of every kind. Returns the ids of these.
async fn shop(world: &World) -> Vec<String> {
    world.send("POST", "/stores", &json!({"storeId": "shop", "name": "A shop", "location": "Über"})).await;
    world.send("POST", "/stores", &json!({"storeId": "closed", "name": "Closed"})).await;
    world.send("PUT", "/stores/closed", &json!({"name": "Closed", "active": false})).await;
    for number in 0..5 {
        let currency = if number % 2 == 0 { "EUR" } else { "USD" };
        let item = json!({
            "sku": format!("S-{number}"), "name": format!("Item {number}"), "quantity": 20, "lowStockThreshold": 10 * number,
            "price": {"amountMinor": 1_000_000_000_000_u64 - number, "currency": currency},
        });
        world.write("POST", "", &item).await;
        let there = json!({"quantity": 1_000_000_000, "storeId": "shop"});
        world.write("POST", &format!("/sku/S-{number}/adjust"), &there).await;
    }
    world.write("PUT", "/sku/S-1/stores/shop", &json!({"lowStockThreshold": 1_000_000_000})).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let body = json!({
            "lines": [{"sku": format!("S-{}", number % 5), "quantity": 1}, {"sku": "S-0", "quantity": 1}],
            "customerId": format!("c-{}", number % 2), "orderId": format!("o \"{}\"", number % 3),
        });
        let answer = world.command.request("POST", "/api/v1/reservations").json(&body).send().await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        ids.push(answer.json()["reservationId"].as_str().expect("it has one").to_owned());
    }
    world.send("POST", &format!("/reservations/{}/confirm", ids[0]), &json!({"orderId": "another"})).await;
    let part = json!({"lines": [{"sku": "S-0", "quantity": 1}]});
    world.send("POST", &format!("/reservations/{}/confirm", ids[1]), &part).await;
    let cancelled = world.command.request("DELETE", format!("/api/v1/reservations/{}", ids[2])).send().await;
    assert_eq!(cancelled.status, 202);
    world.send("POST", &format!("/reservations/{}/extend", ids[3]), &json!({"ttlSeconds": 1})).await;
    let simple = world.write("POST", "/sku/S-2/reserve", &json!({"quantity": 2})).await;
    world.settled(&simple).await;
    let is_expired = async |reader: &Client| {
        let read = get(reader, &format!("/api/v1/reservations/{}", ids[3])).await.json();
        if read["endedAt"].is_null() { Err(read) } else { Ok(()) }
    };
    for reader in [&world.database, &world.alone, &world.beside] {
        eventually(SOON, async || is_expired(reader).await).await;
    }
    let last = world.create("LAST", "The last", 1).await;
    world.settled(&last).await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_stores_and_overviews_are_the_same_bytes_as_from_the_file() {
    let Some(world) = World::start("beside: the same bytes").await else { return };
    let ids = shop(&world).await;
    for id in &ids {
        same_everywhere(&world, &format!("/reservations/{id}")).await;
    }
    let never = "0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881";
    for path in [format!("/reservations/{never}"), "/stores/nowhere".to_owned()] {
        assert_eq!(same_everywhere(&world, &path).await.status, 404, "nothing was ever dropped");
    }
    for path in [
        "/stores",
        "/stores/main",
        "/stores/shop",
        "/stores/closed",
        "/inventory/most-reserved",
        "/inventory/most-reserved?limit=2",
        "/inventory/summary",
        "/inventory/items/sku/S-1/availability",
        "/inventory/items/sku/S-1/stock?storeId=shop",
        "/inventory/low-stock",
    ] {
        assert_eq!(same_everywhere(&world, path).await.status, 200, "{path}");
    }
    assert_eq!(same_pages(&world, "/inventory/low-stock?limit=1").await, 4);
    let item = get(&world.database, "/api/v1/inventory/items/sku/S-2").await.json();
    let item = item["id"].as_str().expect("an id");
    for limit in [1, 3, 50] {
        for filter in [
            "",
            "&status=pending",
            "&status=expired",
            "&status=confirmed",
            "&status=released",
            "&orderId=another",
            "&orderId=o+%221%22",
            "&orderId=o",
            "&customerId=c-1",
            "&customerId=c-1&status=pending",
            "&orderId=o+%221%22&customerId=c-0",
            &format!("&itemId={item}"),
            &format!("&itemId={item}&status=pending"),
        ] {
            same_pages(&world, &format!("/reservations?limit={limit}{filter}")).await;
        }
    }
    assert_eq!(same_pages(&world, "/reservations?limit=5").await, 13);
}

/// 40 reservations of 100 lines have more than one call answers; 40 levels of one item are of one document.
#[tokio::test(flavor = "multi_thread")]
async fn big_documents_are_read_in_parts_and_each_once() {
    let Some(world) = World::start("beside: big documents").await else { return };
    let skus: Vec<String> = (0..100).map(|number| format!("S-{number}")).collect();
    for sku in &skus {
        world.create(sku, "An item", 1_000).await;
    }
    let lines: Vec<Value> = skus.iter().map(|sku| json!({"sku": sku, "quantity": 1})).collect();
    for _ in 0..40 {
        world.send("POST", "/reservations", &json!({"lines": lines, "orderId": "o"})).await;
    }
    for number in 0..40 {
        let store = format!("store-{number}");
        world.send("POST", "/stores", &json!({"storeId": store, "name": "A shop"})).await;
        let threshold = json!({"lowStockThreshold": 5});
        world.send("PUT", &format!("/inventory/items/sku/S-1/stores/{store}"), &threshold).await;
    }
    let last = world.create("LAST", "The last", 1).await;
    world.settled(&last).await;
    assert_eq!(same_pages(&world, "/reservations?limit=200").await, 40);
    assert_eq!(same_pages(&world, "/reservations?limit=30&status=pending").await, 40);
    assert_eq!(same_pages(&world, "/reservations?limit=30&orderId=o&status=confirmed").await, 0);
    assert_eq!(same_pages(&world, "/inventory/low-stock?limit=30").await, 40);
    assert_eq!(same_pages(&world, "/inventory/low-stock?limit=200").await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_file_has_is_source_unavailable_and_never_a_wrong_404() {
    let Some(mut world) = World::start("beside: what only the file has").await else { return };
    let ids = shop(&world).await;
    world.stop_trio().await;
    let is_unavailable = async |path: &str| {
        let answer = world.alone.get(&format!("/api/v1{path}")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("SOURCE_UNAVAILABLE")), "{path}");
    };
    for path in ["/inventory/movements", "/inventory/items?search=item", "/inventory/items/sku/S-1/stock?asOf=5"] {
        is_unavailable(path).await;
    }
    // As if all that ended before the sixth one was made had been dropped, by a projector that is not there to object.
    let state: String = world.redis.command(&["HGET", ITEMS, STATE]);
    let mut state: State = serde_json::from_str(&state).expect("a state");
    let number = |id: &str| {
        let kept: String = world.redis.command(&["HGET", RESERVATIONS, id]);
        serde_json::from_str::<Value>(&kept).expect("JSON")["number"].as_u64().expect("a number")
    };
    state.reservations_from = number(&ids[5]);
    let state = serde_json::to_string(&state).expect("JSON");
    world.redis.command::<u64>(&["HSET", ITEMS, STATE, &state]);
    for dropped in &ids[..3] {
        let member = format!("\n{}", numbered(number(dropped), ReservationId::parse(dropped).expect("an id")));
        world.redis.command::<u64>(&["ZREM", ReservationIndex::All.key(), &member]);
        world.redis.command::<u64>(&["HDEL", RESERVATIONS, dropped]);
    }
    is_unavailable("/reservations/0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881").await;
    for (id, status) in [(&ids[0], 503), (&ids[2], 503), (&ids[4], 200), (&ids[6], 200)] {
        let answer = world.alone.get(&format!("/api/v1/reservations/{id}")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let pending = get(&world.alone, "/api/v1/reservations?status=pending").await.json();
    assert_eq!(pending["reservations"].as_array().map(Vec::len), Some(9), "all of these are there");
    let page = get(&world.alone, "/api/v1/reservations").await.json();
    assert_eq!(page["reservations"].as_array().map(Vec::len), Some(8), "those from there on");
    let next = page["nextCursor"].as_str().expect("there may be more");
    is_unavailable(&format!("/reservations?cursor={next}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_with_a_token_sees_the_write_of_a_reservation_and_of_a_store_from_redis_alone() {
    let Some(world) = World::start("beside: tokens").await else { return };
    world.create("T", "T", 1_000).await;
    for number in 0..30 {
        let body = json!({"sku": "T", "quantity": 1, "orderId": "o"});
        let answer = world.command.request("POST", "/api/v1/reservations").json(&body).send().await.json();
        let (id, token) = (answer["reservationId"].as_str().unwrap(), answer["consistencyToken"].as_str().unwrap());
        let read = get(&world.alone, &format!("/api/v1/reservations/{id}?token={token}")).await;
        assert_eq!((read.status, &read.json()["status"]), (200, &json!("pending")), "{}", read.text());
        let confirmed = world.send("POST", &format!("/reservations/{id}/confirm"), &json!({})).await;
        let read = get(&world.alone, &format!("/api/v1/reservations/{id}?token={}", confirmed.token)).await;
        assert_eq!(read.json()["status"], "confirmed", "{}", read.text());
        let list = format!("/api/v1/reservations?orderId=o&limit=200&token={}", confirmed.token);
        let list = get(&world.alone, &list).await.json();
        assert_eq!(list["reservations"].as_array().map(Vec::len), Some(number + 1));
        let summary = get(&world.alone, &format!("/api/v1/inventory/summary?token={}", confirmed.token)).await.json();
        assert_eq!(summary["units"], 1_000 - 1 - number);
        let name = format!("Name {number}");
        let changed = world.send("PUT", "/stores/main", &json!({"name": name})).await;
        let read = get(&world.alone, &format!("/api/v1/stores/main?token={}", changed.token)).await;
        assert_eq!(read.json()["name"], json!(name));
    }
}
