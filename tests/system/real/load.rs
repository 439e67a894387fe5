//! Clients that write until they are told to stop, always the same commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::poll::eventually;
use tokio::task::JoinSet;

use crate::client::Shop;
use testkit::process::SOON;

const CLIENTS: u32 = 8;

/// Under way until it is stopped.
pub(super) struct Load {
    shop: Shop,
    writing: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Begins once the items are there.
    pub(super) async fn start(shop: &Shop) -> Self {
        for client in 0..CLIENTS {
            let created = shop.create(&sku(client), 1000).await.expect("accepted");
            assert_eq!(shop.outcome(&created).await, "applied");
        }
        let writing = Arc::new(AtomicBool::new(true));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(one_client(shop.at(client), client, Arc::clone(&writing)));
        }
        let load = Self { shop: shop.clone(), writing, clients };
        load.get_on(200).await;
        load
    }

    /// Waits until so many more commands have got a 202.
    pub(super) async fn get_on(&self, more: usize) {
        let target = self.shop.accepted() + more;
        eventually(2 * SOON, async || {
            let accepted = self.shop.accepted();
            if accepted >= target { Ok(()) } else { Err(format!("{accepted} of {target} accepted")) }
        })
        .await;
    }

    /// Every client ends with the command that it is at.
    pub(super) async fn stop(self) {
        self.writing.store(false, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

fn sku(client: u32) -> String {
    format!("UNDER-LOAD-{client}")
}

async fn one_client(shop: Shop, client: u32, writing: Arc<AtomicBool>) {
    for turn in 0.. {
        if !writing.load(Ordering::Relaxed) {
            return;
        }
        let sku = sku((client + turn) % CLIENTS);
        match turn % 4 {
            0 => shop.adjust(&sku, 2).await,
            1 => shop.release(&sku, 1).await,
            2 => shop.reserve(&sku, 1, Some(&format!("{client}-{turn}"))).await,
            _ => shop.reserve(&sku, 2, None).await,
        };
    }
}
