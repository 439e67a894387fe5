//! A level as it was, against a replay of the ledger.

use serde_json::{Value, json};
use shared::clock::Timestamp;

use crate::dice::Dice;
use crate::world::{Having, World, fault};
use crate::writer::{id, time};

const SKUS: [&str; 3] = ["A", "B", "C"];
const STORES: [&str; 2] = ["main", "berlin"];

fn stamp(sequence: i64) -> String {
    Timestamp::from_millis(time(sequence)).to_string()
}

/// What the journal and the ledger say, read from the beginning.
struct Replay {
    /// Sequence, event type, item.
    entries: Vec<(i64, String, Vec<u8>)>,
    /// Sequence, item, store, quantity, reserved, version.
    movements: Vec<(i64, Vec<u8>, String, i64, i64, i64)>,
}

impl Replay {
    fn of(world: &World) -> Self {
        let entries = world.writer.rows(
            "SELECT sequence, event_type, aggregate_id FROM journal WHERE event_type LIKE 'InventoryItem%'",
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        );
        let movements = world.writer.rows(
            "SELECT sequence, item_id, store_id, quantity, reserved, version FROM movements ORDER BY sequence",
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        );
        Self { entries, movements }
    }

    /// The level at a sequence; `None` if the item was not there.
    fn level(&self, sku: &str, store: &str, sequence: i64) -> Option<Value> {
        let key = id(sku).as_bytes().to_vec();
        let mut created = None;
        for (at, event_type, item) in &self.entries {
            if *item == key && *at <= sequence {
                match event_type.as_str() {
                    "InventoryItemCreated" => created = Some(*at),
                    "InventoryItemDeleted" => created = None,
                    _ => {}
                }
            }
        }
        let created = created?;
        let mut of_level = self.movements.iter().filter(|m| m.0 <= sequence && m.1 == key && m.2 == store);
        let (at, quantity, reserved, version) = of_level.next_back().map_or((0, 0, 0, 0), |m| (m.0, m.3, m.4, m.5));
        Some(json!({
            "itemId": id(sku).to_string(), "sku": sku, "storeId": store, "quantity": quantity, "reserved": reserved,
            "available": quantity - reserved, "version": version, "sequence": at,
            "updatedAt": stamp(if at == 0 { created } else { at }),
        }))
    }
}

async fn as_of(world: &World, sku: &str, store: &str, moment: &str) -> Option<Value> {
    let path = format!("/api/v1/inventory/items/sku/{sku}/stock?storeId={store}&asOf={moment}");
    let answer = world.client.get(&path).await;
    if answer.status == 404 {
        return None;
    }
    let mut body = answer.having(200).json();
    assert_eq!(body.as_object_mut().unwrap().remove("asOf"), Some(json!(moment)));
    Some(body)
}

fn something(world: &mut World, dice: &mut Dice) {
    let (sku, store) = (dice.one_of(&SKUS), dice.one_of(&STORES));
    let lives: Vec<bool> =
        world.writer.rows(&format!("SELECT deleted = 0 FROM items WHERE sku = '{sku}'"), |row| row.get(0));
    let (lives, quantity, reserved) = (lives == [true], dice.below(100), dice.below(3));
    let what = dice.below(12);
    world.writer.commit(|batch| match what {
        0 if lives => batch.delete(sku),
        0..=2 if !lives => batch.item(sku, "Again"),
        3 => batch.item("OTHER", "An entry in between"),
        4 if lives => batch.settings(sku, store, Some(quantity)),
        _ if lives => batch.level_at(sku, store, quantity + reserved, reserved),
        _ => {}
    });
}

#[tokio::test]
async fn a_level_of_the_past_is_what_a_replay_of_the_ledger_gives() {
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let mut world = World::new().await;
        for _ in 0..120 {
            something(&mut world, &mut dice);
        }
        world.commit(|batch| batch.item("LAST", "Followed")).await;
        let replay = Replay::of(&world);
        let last = world.writer.rows("SELECT max(sequence) FROM journal", |row| row.get::<_, i64>(0))[0];
        for sequence in 0..=last {
            let (sku, store) = (dice.one_of(&SKUS), dice.one_of(&STORES));
            let expected = replay.level(sku, store, sequence);
            let moments = if sequence == 0 {
                vec!["0".to_owned(), "2025-11-22T10:10:00Z".to_owned()]
            } else {
                vec![sequence.to_string(), stamp(sequence)]
            };
            for moment in moments {
                let found = as_of(&world, sku, store, &moment).await;
                assert_eq!(found, expected, "seed {seed}: {sku} at {store} as of {moment}");
            }
        }
    }
}

#[tokio::test]
async fn any_moment_of_a_hot_level_is_found() {
    let mut world = World::new().await;
    world
        .commit(|batch| {
            batch.item("A", "Hot");
            for quantity in 0..5000 {
                batch.level("A", quantity % 1000, 0);
            }
        })
        .await;
    let replay = Replay::of(&world);
    let mut dice = Dice::new(7);
    for sequence in (0..100).map(|_| dice.below(5001) + 1).collect::<Vec<_>>() {
        let found = as_of(&world, "A", "main", &sequence.to_string()).await;
        assert_eq!(found, replay.level("A", "main", sequence), "{sequence}");
        assert_eq!(found, as_of(&world, "A", "main", &stamp(sequence)).await, "{sequence}");
    }
}

#[tokio::test]
async fn the_future_and_what_is_no_moment_is_refused() {
    let world = World::with_cable().await;
    let stock = format!("inventory/items/{}/stock", id("PROD-001"));
    let tomorrow = Timestamp::wall_clock().plus_millis(86_400_000);
    for future in ["3", "99999999999999999999999", &tomorrow.to_string()] {
        let faults = world.faults(&format!("{stock}?asOf={future}")).await;
        assert_eq!(faults, [fault("asOf", "OUT_OF_RANGE")], "{future}");
    }
    for wrong in ["", "-1", "1.0", "yesterday", "2025-11-22", "2025-11-22T10:10:00"] {
        assert_eq!(world.faults(&format!("{stock}?asOf={wrong}")).await, [fault("asOf", "INVALID_FORMAT")], "{wrong}");
    }
    let repeated = world.faults(&format!("{stock}?asOf=1&asOf=2")).await;
    assert_eq!(repeated, [fault("asOf", "REPEATED")]);
    let now = Timestamp::wall_clock().plus_millis(-1);
    let answer = world.client.get(&format!("/api/v1/{stock}?asOf={now}")).await.having(200);
    assert_eq!((answer.json()["sequence"].clone(), answer.header("etag")), (json!(2), None));
    world.client.get("/api/v1/inventory/items/sku/NEVER/stock?asOf=1").await.having(404);
}
