//! Many clients at once: the last unit goes to one, and every invariant holds for ten thousand commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::checker;
use testkit::poll::eventually;
use tokio::task::JoinSet;

use crate::client::{Accepted, Shop, tally};
use crate::deployment::Deployment;
use testkit::process::SOON;

const CLIENTS: u32 = 64;
const COMMANDS: u32 = 10_000;
const SKUS: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_for_the_last_unit_and_exactly_one_gets_it() {
    last_unit(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_through_several_services_and_exactly_one_gets_the_last_unit() {
    let Some(deployment) = Deployment::real().await else { return };
    last_unit(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_commands_from_sixty_four_clients_keep_every_invariant() {
    ten_thousand(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_commands_through_several_services_keep_every_invariant() {
    let Some(deployment) = Deployment::real().await else { return };
    ten_thousand(deployment).await;
}

async fn last_unit(mut deployment: Deployment) {
    let shop = Shop::of(&deployment).await;
    let created = shop.create("LAST-ONE", 1).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");
    let mut buyers = JoinSet::new();
    for buyer in 0..100 {
        let shop = shop.at(buyer);
        buyers.spawn(async move {
            let accepted = shop.reserve("LAST-ONE", 1, None).await.expect("accepted");
            shop.outcome(&accepted).await
        });
    }
    let endings = tally(buyers.join_all().await);
    assert_eq!((endings["applied"], endings["rejected INSUFFICIENT_STOCK"]), (1, 99));
    for reader in 0..shop.readers() {
        // One that told none of the outcomes needs a moment to hear of them.
        eventually(SOON, async || {
            let level = shop.at(reader).peek("/items/sku/LAST-ONE/stock").await.json();
            if (&level["reserved"], &level["available"]) == (&1.into(), &0.into()) { Ok(()) } else { Err(level) }
        })
        .await;
    }
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
}

async fn ten_thousand(mut deployment: Deployment) {
    let shop = Shop::of(&deployment).await;
    for sku in 0..SKUS {
        shop.create(&format!("LOAD-{sku}"), 50).await.expect("accepted");
    }
    let writing = Arc::new(AtomicBool::new(true));
    let mut watchers = JoinSet::new();
    for reader in 0..shop.readers() {
        watchers.spawn(watch_versions(shop.at(reader), Arc::clone(&writing)));
    }
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(one_client(shop.at(client), client));
    }
    let endings = tally(clients.join_all().await.into_iter().flatten());
    writing.store(false, Ordering::Relaxed);
    let looks = watchers.join_all().await;
    assert!(looks.iter().all(|looks| *looks > 100), "only {looks:?} looks");
    assert!(endings["applied"] > 1000, "{endings:?}");
    assert!(endings.keys().all(|ending| !ending.starts_with("dead")), "{endings:?}");
    deployment.quiet().await;
    deployment.interrupt();
    let report = checker::check(&deployment.database, &shop.history());
    report.assert_clean();
    // A machine that stands still for seconds costs answers, and 504 says that one is unknown. Few are, without a fault.
    let commands = usize::try_from(COMMANDS).expect("fits");
    assert!(report.counts.accepted >= commands - commands / 100, "{:?}", report.counts);
}

/// A part of the commands, some sent twice under one key; every hundredth outcome is awaited and read back.
async fn one_client(shop: Shop, client: u32) -> Vec<String> {
    let mut endings = Vec::new();
    for turn in 0..COMMANDS.div_ceil(CLIENTS) {
        let number = client * 7919 + turn * 104_729;
        let sku = format!("LOAD-{}", number % SKUS);
        let accepted: Option<Accepted> = match number % 10 {
            0 => shop.adjust(&sku, i32::try_from(number % 20).expect("small") + 1).await,
            1 => shop.adjust(&sku, -i32::try_from(number % 20).expect("small") - 1).await,
            2..=4 => shop.release(&sku, number % 3 + 1).await,
            5 => {
                let key = format!("{client}-{turn}");
                let first = shop.reserve(&sku, 1, Some(&key)).await;
                let again = shop.at(client + 1).reserve(&sku, 1, Some(&key)).await;
                if let (Some(first), Some(again)) = (&first, &again) {
                    assert_eq!(first.command_id, again.command_id, "the same key and body is the same command");
                }
                again
            }
            _ => shop.reserve(&sku, number % 4 + 1, None).await,
        };
        let Some(accepted) = accepted else { continue };
        let ending = shop.outcome(&accepted).await;
        if turn % 100 == 0 {
            let read = shop.read(&format!("/items/sku/{sku}/stock"), &accepted.token).await;
            assert_eq!(read.status, 200);
        }
        endings.push(ending);
    }
    endings
}

/// Reads one level again and again: what this process answers never goes back.
async fn watch_versions(shop: Shop, writing: Arc<AtomicBool>) -> u64 {
    let (mut newest, mut looks) = (0, 0);
    while writing.load(Ordering::Relaxed) {
        let version = shop.peek("/items/sku/LOAD-1/stock").await.json()["version"].as_u64().unwrap_or(0);
        assert!(version >= newest, "version {version} after {newest}");
        newest = version;
        looks += 1;
    }
    looks
}
