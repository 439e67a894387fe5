//! The load: clients that write, some at their own pace and a crowd at once, over few goods of which some are wanted by all.

mod client;
mod crowd;
mod draw;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shared::aggregate::AggregateId;
use shared::id::ItemId;
use shared::text::{Sku, StoreId};
use tokio::task::JoinSet;

use crate::journal::Journal;
use crate::memory::Memory;
use crate::place::Place;
use crate::readers::Floors;
use client::Client;

const CLIENTS: u64 = 12;
const SKUS: usize = 200;
const HOT: usize = 10;
pub(crate) const STORES: [&str; 3] = ["main", "north", "south"];

/// An item at a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Level {
    pub(crate) sku: String,
    pub(crate) store: &'static str,
}

/// Whom clients talk to, and what they share.
#[derive(Clone)]
pub(crate) struct Parties {
    pub(crate) commands: Arc<[Place]>,
    pub(crate) queries: Arc<[Place]>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) floors: Arc<Floors>,
    pub(crate) journal: Arc<Journal>,
}

/// One write, as it is sent, and sent again.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its `eventType` on the log.
    pub(crate) kind: &'static str,
    pub(crate) of: AggregateId,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// Without one it is sent only once.
    pub(crate) key: Option<String>,
    /// The level that it changes, if its outcome's version is that level's.
    pub(crate) level: Option<Level>,
}

/// Clients under way.
pub(crate) struct Load {
    writing: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// The so-manieth of all goods; the first ones are wanted by all.
pub(crate) fn sku(number: usize) -> String {
    format!("CHAOS-{number:03}")
}

/// Every level that there can be.
pub(crate) fn levels() -> impl Iterator<Item = Level> {
    (0..SKUS).flat_map(|number| STORES.map(|store| Level { sku: sku(number), store }))
}

/// One that all want.
pub(crate) fn hot_level(rng: &mut fastrand::Rng) -> Level {
    Level { sku: sku(rng.usize(..HOT)), store: STORES[rng.usize(..STORES.len())] }
}

pub(crate) fn item(sku: &str) -> AggregateId {
    AggregateId::Item(ItemId::of(&Sku::parse(sku).expect("a SKU")))
}

impl Load {
    /// Opens the stores, creates the goods, and then begins.
    pub(crate) async fn start(parties: &Parties, seed: u64) -> Self {
        open(parties, seed).await;
        let writing = Arc::new(AtomicBool::new(true));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = Client::new(parties.clone(), seed, number);
            clients.spawn(client.write_while(Arc::clone(&writing)));
        }
        // After the one that opens the stores.
        clients.spawn(crowd::rush_while(parties.clone(), seed, CLIENTS + 1, Arc::clone(&writing)));
        Self { writing, clients }
    }

    /// Every client ends with the command that it is at, and asks again for all of which it does not know.
    pub(crate) async fn stop(mut self) {
        self.writing.store(false, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
    }
}

async fn open(parties: &Parties, seed: u64) {
    let mut client = Client::new(parties.clone(), seed, CLIENTS);
    for store in &STORES[1..] {
        let of = AggregateId::Store(StoreId::parse(store).expect("a store's id"));
        let body = json!({"storeId": store, "name": store});
        client.ask("StoreCreationRequested", of, "POST", "/stores".to_owned(), Some(body)).await;
    }
    for number in 0..SKUS {
        let sku = sku(number);
        let body = json!({"sku": sku, "name": format!("Thing {number}"), "quantity": 40});
        client.ask("ItemCreationRequested", item(&sku), "POST", "/inventory/items".to_owned(), Some(body)).await;
        if parties.journal.count("liveness") > 0 {
            // Nothing is answered at all: the rest of them would take hours to say so too.
            return;
        }
    }
}
