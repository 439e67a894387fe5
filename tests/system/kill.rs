//! kill -9 of every process of ours under load, ten times: what got a 202 is there, once.

use std::time::Duration;

use testkit::checker;
use testkit::poll::eventually;
use tokio::task::JoinSet;

use crate::client::Shop;
use crate::deployment::Deployment;

const KILLS: usize = 10;
const CLIENTS: u32 = 16;
/// More than any run gets through before it is killed.
const ENOUGH: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_under_load_ten_times_loses_nothing_and_repeats_nothing() {
    ten_kills(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_all_killed_under_load_ten_times_lose_nothing_and_repeat_nothing() {
    let Some(deployment) = Deployment::real().await else { return };
    ten_kills(deployment).await;
}

async fn ten_kills(mut deployment: Deployment) {
    let mut shop = Shop::of(&deployment).await;
    for sku in 0..CLIENTS {
        shop.create(&format!("KILL-{sku}"), 1000).await.expect("accepted");
    }
    for round in 0..KILLS {
        // Some hundred answers into the load, at a moment that differs from round to round.
        let target = shop.accepted() + 300 + round * 37;
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(until_it_dies(shop.at(client), client));
        }
        eventually(Duration::from_mins(1), async || shop.accepted() >= target).await;
        deployment.kill();
        clients.join_all().await;
        if deployment.commits_before_202() {
            checker::check(&deployment.database, &shop.history()).assert_clean();
        }
        deployment.start_again().await;
        deployment.quiet().await;
        shop = Shop::remembering(&deployment, shop.memory()).await;
    }
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
}

async fn until_it_dies(shop: Shop, client: u32) {
    for turn in 0..ENOUGH {
        let sku = format!("KILL-{}", (client + turn) % CLIENTS);
        let answered = match turn % 4 {
            0 => shop.adjust(&sku, 1).await,
            1 => shop.release(&sku, 1).await,
            2 => shop.reserve(&sku, 1, Some(&format!("{client}-{turn}-{}", std::process::id()))).await,
            _ => shop.reserve(&sku, 2, None).await,
        };
        if answered.is_none() {
            return;
        }
    }
    panic!("the process was never killed");
}
