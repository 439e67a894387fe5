//! The broker goes away under load and comes back: what got a 202 is applied, once, and nobody need do anything.

use std::time::{Duration, Instant};

use testkit::checker;
use testkit::kafka::Kafka;
use testkit::poll::eventually;

use super::load::Load;
use crate::client::Shop;
use crate::deployment::Deployment;
use testkit::process::{SOON, report};

const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_stopped_for_twenty_seconds_under_load_costs_no_accepted_command() {
    let Some(deployment) = Deployment::real().await else { return };
    outage(deployment, Kafka::stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_under_load_costs_no_accepted_command() {
    let Some(deployment) = Deployment::real().await else { return };
    outage(deployment, Kafka::kill).await;
}

async fn outage(mut deployment: Deployment, end: fn(&Kafka)) {
    let shop = Shop::of(&deployment).await;
    let load = Load::start(&shop).await;
    let began = Instant::now();
    tokio::task::block_in_place(|| end(&deployment.real_parts().kafka));
    let refused = shop.answered(503);
    eventually(SOON, async || shop.answered(503) > refused).await;
    for base in deployment.commands() {
        eventually(SOON, async || status(&base).await == 503).await;
    }
    // The outage itself has a length; nothing is waited for.
    while began.elapsed() < OUTAGE {
        for reader in 0..shop.readers() {
            assert_eq!(shop.at(reader).peek("/items/sku/UNDER-LOAD-0").await.status, 200, "reading goes on");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (before, starting) = (shop.accepted(), Instant::now());
    tokio::task::block_in_place(|| deployment.real_parts().kafka.start_again());
    let back = Instant::now();
    eventually(SOON, async || shop.accepted() > before).await;
    let accepting = back.elapsed();
    load.get_on(200).await;
    load.stop().await;
    deployment.real_parts().ready().await;
    deployment.quiet().await;
    report(&format!(
        "503: {}, 504: {}; the broker started in {:?}; accepting {accepting:?} after that, all applied after {:?}",
        shop.answered(503),
        shop.answered(504),
        back - starting,
        back.elapsed()
    ));
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
}

async fn status(base: &str) -> u16 {
    reqwest::get(format!("{base}/health/ready")).await.expect("answered").status().as_u16()
}
