//! A hundred buyers for ten units in two stores, with short deadlines: round after round until all are sold.
//!
//! In the first round nobody goes on before everybody knows whether they hold a unit. Whoever is quick would buy before the
//! last unit is held, and all would never be held at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::checker;
use testkit::poll::eventually;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::{Shop, new_id, tally};
use crate::deployment::Deployment;
use crate::journal::{Stock, Story};
use testkit::process::{SOON, report};

const BUYERS: u32 = 100;
const STORES: [(&str, u32); 2] = [("berlin", 6), ("hamburg", 4)];
const UNITS: u32 = 10;
const SKU: &str = "WANTED";
/// Until then, every third buyer who got a unit buys it; afterwards everyone does.
const HESITANT_ROUNDS: u32 = 6;
const ROUNDS: u32 = 12;
const TTL_SECONDS: u32 = 1;
/// Of the first round, whose holds must all be there before one ends.
const FIRST_TTL_SECONDS: u32 = 3;
/// The journal has an expiry within a second of the deadline; the rest is for a machine that is busy with other tests.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_buyers_for_ten_units_in_two_stores_never_hold_more_than_there_is() {
    buyers(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_buyers_through_several_services_never_hold_more_than_there_is() {
    let Some(deployment) = Deployment::real().await else { return };
    buyers(deployment).await;
}

async fn buyers(mut deployment: Deployment) {
    let shop = Shop::of(&deployment).await;
    let created = shop.create(SKU, 0).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");
    for (store, units) in STORES {
        shop.open_store(store).await;
        shop.deliver(store, SKU, units).await;
    }
    let mut endings = Vec::new();
    let mut rounds = 0;
    while sold(&endings) < UNITS {
        assert!(rounds < ROUNDS, "{} of {UNITS} sold after {rounds} rounds", sold(&endings));
        endings.extend(round(&shop, rounds).await);
        wait_until_free(&shop, UNITS - sold(&endings)).await;
        rounds += 1;
    }
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
    let endings = tally(endings);
    let story = Story::of(&deployment.database);
    story.assert_each_ended_once();
    assert_eq!(story.most_held, i64::from(UNITS), "all units were held at once, and never more");
    for (store, units) in STORES {
        assert_eq!(story.stock[store], Stock::default(), "of {units} at {store} all are sold and none is held");
    }
    for (ending, status) in [("bought", "confirmed"), ("cancelled", "released"), ("left", "expired")] {
        assert_eq!(endings[ending], story.ended(status), "{endings:?}");
    }
    report(&format!("{BUYERS} buyers for {UNITS} units, {rounds} rounds: {endings:?}"));
}

fn sold(endings: &[String]) -> u32 {
    u32::try_from(endings.iter().filter(|ending| *ending == "bought").count()).expect("a few")
}

async fn round(shop: &Shop, round: u32) -> Vec<String> {
    let all_know = Arc::new(Barrier::new(usize::try_from(if round == 0 { BUYERS } else { 1 }).expect("a few")));
    let mut buyers = JoinSet::new();
    for buyer in 0..BUYERS {
        buyers.spawn(buy(shop.at(buyer), buyer, round, Arc::clone(&all_know)));
    }
    buyers.join_all().await
}

/// Tries to hold a unit, and then buys it, cancels or leaves it to its deadline.
async fn buy(shop: Shop, buyer: u32, round: u32, all_know: Arc<Barrier>) -> String {
    let id = new_id();
    let (store, _) = STORES[usize::from(buyer % 2 == 1)];
    let ttl = if round == 0 { FIRST_TTL_SECONDS } else { TTL_SECONDS };
    let held = shop.hold(id, store, SKU, ttl).await.expect("accepted");
    let outcome = shop.outcome(&held).await;
    all_know.wait().await;
    match outcome.as_str() {
        "applied" => {}
        "rejected INSUFFICIENT_STOCK" => return "nothing left".to_owned(),
        other => panic!("{other}"),
    }
    let (asked, done) = match (buyer / 2 + round) % 3 {
        _ if round >= HESITANT_ROUNDS => (shop.confirm(id).await, "bought"),
        0 => (shop.confirm(id).await, "bought"),
        1 => (shop.cancel(id).await, "cancelled"),
        _ => return "left".to_owned(),
    };
    match shop.outcome(&asked.expect("accepted")).await.as_str() {
        "applied" => done.to_owned(),
        // A second may be over sooner than a busy machine gets to it.
        "rejected RESERVATION_EXPIRED" => "left".to_owned(),
        other => panic!("{other}"),
    }
}

/// What was neither sold nor is for sale comes back when its deadline has passed.
async fn wait_until_free(shop: &Shop, units: u32) {
    let began = Instant::now();
    eventually(SOON, async || {
        let stock = shop.peek(&format!("/items/sku/{SKU}/availability")).await.json();
        assert!(stock["totalAvailable"].as_u64().is_some_and(|units| units <= u64::from(UNITS)), "{stock}");
        if stock["totalAvailable"] == units { Ok(()) } else { Err(stock) }
    })
    .await;
    let took = began.elapsed();
    assert!(took < GIVEN_BACK_WITHIN, "what was held came back after {took:?}");
}
