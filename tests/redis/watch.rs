//! Readers that read one level again and again while something is done to Redis, and hold what they see to the rules:
//! it is there, it never goes back, and whatever a token asked for is in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::contract::Client;
use tokio::task::JoinHandle;

use crate::world::World;

pub(crate) const SKU: &str = "WATCHED";
const PATH: &str = "/api/v1/inventory/items/sku/WATCHED/stock";
const READERS: usize = 8;

/// What one reader saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long each answer took.
    pub(crate) took: Vec<Duration>,
    /// How many were 503.
    pub(crate) unavailable: usize,
    newest: u64,
}

impl Seen {
    /// The time within which 99 of 100 answers came.
    pub(crate) fn p99(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() * 99 / 100]
    }
}

/// The readers, until stopped.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<Seen>>,
}

impl Watch {
    /// Makes the item and begins to read it.
    pub(crate) async fn begin(world: &World, client: &Client) -> Self {
        if client.get(PATH).await.status == 404 {
            let created = world.create(SKU, "Watched by many readers", 1).await;
            world.settled(&created).await;
        }
        Self::begin_again(client)
    }

    /// Reads it again.
    pub(crate) fn begin_again(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let reader = |_| tokio::spawn(read(client.clone(), Arc::clone(&stop)));
        Self { readers: (0..READERS).map(reader).collect(), stop }
    }

    /// What all of them saw together.
    pub(crate) async fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for reader in self.readers {
            let seen = reader.await.expect("what a reader saw was right");
            all.took.extend(seen.took);
            all.unavailable += seen.unavailable;
        }
        assert!(all.took.len() > 100, "only {} reads", all.took.len());
        all
    }
}

async fn read(client: Client, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.get(PATH).await;
        seen.took.push(began.elapsed());
        match answer.status {
            200 => {
                let version = answer.json()["version"].as_u64().expect("a version");
                assert!(version >= seen.newest, "{version} after {}: {:?}", seen.newest, answer.headers);
                seen.newest = version;
            }
            503 => {
                assert_eq!(answer.json()["code"], "SOURCE_UNAVAILABLE");
                seen.unavailable += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
        let list = client.get("/api/v1/inventory/items").await;
        assert!(list.status == 503 || list.json()["total"] == 1, "{} {}", list.status, list.text());
        // Readers with nothing to do but read would take the machine for themselves.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    seen
}

/// Writes, and reads each write with its token where the database is at hand.
pub(crate) async fn write_and_read(world: &World, writes: u32) {
    for _ in 0..writes {
        let before = world.database.get(PATH).await.json()["quantity"].as_u64().expect("a quantity");
        let adjusted = world.adjust(SKU, 1).await;
        let path = format!("{PATH}?token={}", adjusted.token);
        for reader in [&world.beside, &world.database] {
            let read = reader.get(&path).await;
            assert_eq!((read.status, &read.json()["quantity"]), (200, &json!(before + 1)), "{}", read.text());
        }
    }
}
