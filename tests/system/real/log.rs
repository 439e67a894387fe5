//! A broker that comes back as another cluster, or with a part of the log gone: the listener halts and says what to do.

use rusqlite::Connection;
use testkit::checker::{self, Report};
use testkit::kafka::Kafka;
use testkit::poll::eventually;

use crate::client::Shop;
use crate::deployment::{Deployment, Service};
use testkit::process::SOON;

const COMMANDS: u32 = 20;
const HALF: usize = 10;
const TOPIC: &str = "inventory.commands";

/// A system with some commands applied.
async fn used() -> Option<(Deployment, Shop)> {
    let deployment = Deployment::real().await?;
    let shop = Shop::of(&deployment).await;
    let created = shop.create("KNOWN", 0).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");
    for _ in 0..COMMANDS {
        shop.adjust("KNOWN", 1).await.expect("accepted");
    }
    deployment.quiet().await;
    Some((deployment, shop))
}

fn quantity(deployment: &Deployment) -> i64 {
    let database = Connection::open(&deployment.database).expect("opened");
    database.query_row("SELECT quantity FROM stock_levels", [], |row| row.get(0)).expect("one level")
}

/// It ends with 1, and its last word has these.
fn halted(service: &mut Service, words: &[&str]) -> String {
    assert_eq!(service.process.ended(), Some(1));
    let said = service.process.log();
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    said
}

/// The word after `--accept-new-log` in what it said.
fn accepted_id(said: &str) -> String {
    let rest = said.rsplit_once("--accept-new-log ").expect("it names the log").1;
    rest.split([')', ' ', '\n']).next().expect("an id").to_owned()
}

/// The commands as they stand in the log, so that they can be put on another.
fn messages(kafka: &Kafka) -> Vec<u8> {
    kcat(kafka, &["-C", "-e", "-q", "-o", "beginning", "-f", "%k|%s\n"], &[])
}

fn put(kafka: &Kafka, messages: &[u8]) {
    kcat(kafka, &["-P", "-K", "|"], messages);
}

fn kcat(kafka: &Kafka, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    super::facts::kcat(&[&["-b", &kafka.address(), "-t", TOPIC], arguments].concat(), input)
}

/// Starts a listener that accepts what an earlier one has halted for, with some of the old commands on the log again and a
/// new one behind them, and finds only the new one applied.
async fn accept_and_go_on(mut deployment: Deployment, shop: Shop, said: &str, old: &[u8]) -> Report {
    let real = deployment.real_parts();
    let half = old.split_inclusive(|byte| *byte == b'\n').take(HALF).flatten().copied().collect::<Vec<u8>>();
    put(&real.kafka, &half);
    real.add_listener(&["--accept-new-log", &accepted_id(said)]);
    real.complete().await;
    let shop = Shop::remembering(&deployment, shop.memory()).await;
    shop.adjust("KNOWN", 1).await.expect("accepted");
    eventually(SOON, async || quantity(&deployment) > i64::from(COMMANDS)).await;
    deployment.quiet().await;
    assert_eq!(quantity(&deployment), i64::from(COMMANDS) + 1, "nothing is applied twice");
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history())
}

/// Of a log that lost a part and began again, so that its offsets stand for other commands than before.
fn assert_clean_but_for_offsets(report: Report) {
    Report { position_faults: Vec::new(), order: Vec::new(), ..report }.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_starts_on_another_cluster_halts_until_that_is_accepted() {
    if !super::facts::kcat_is_there() {
        return;
    }
    let Some((mut deployment, shop)) = used().await else { return };
    let old = messages(&deployment.real_parts().kafka);
    deployment.interrupt();
    let real = deployment.real_parts();
    tokio::task::block_in_place(|| {
        real.kafka.wipe();
        real.kafka.start_again();
    });
    real.add_listener(&[]);
    let said = halted(&mut real.listeners.pop().expect("just added"), &["docs/OPERATIONS.md#another-log"]);
    accept_and_go_on(deployment, shop, &said, &old).await.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_behind_the_address_of_running_services_ends_them_and_nothing_of_it_is_applied() {
    if !super::facts::kcat_is_there() {
        return;
    }
    let Some((mut deployment, shop)) = used().await else { return };
    let real = deployment.real_parts();
    let old = messages(&real.kafka);
    // The other cluster's log is longer than ours was, with commands of other ids, so that none would be known.
    let foreign = String::from_utf8_lossy(&old).replace("-7", "-4").repeat(3);
    tokio::task::block_in_place(|| {
        real.kafka.wipe();
        real.kafka.start_again();
        put(&real.kafka, foreign.as_bytes());
    });
    let mut said = String::new();
    for listener in &mut real.listeners {
        said = halted(listener, &["docs/OPERATIONS.md#another-log"]);
    }
    real.listeners.clear();
    for command in &mut real.commands {
        halted(command, &["docs/OPERATIONS.md#another-log"]);
    }
    real.commands.clear();
    assert_eq!(quantity(&deployment), i64::from(COMMANDS), "nothing of it is applied");
    let real = deployment.real_parts();
    tokio::task::block_in_place(|| real.kafka.lose(TOPIC));
    accept_and_go_on(deployment, shop, &said, &old).await.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_what_was_applied_halts_a_listener_that_starts() {
    if !super::facts::kcat_is_there() {
        return;
    }
    let Some((mut deployment, shop)) = used().await else { return };
    let old = messages(&deployment.real_parts().kafka);
    deployment.interrupt();
    let real = deployment.real_parts();
    tokio::task::block_in_place(|| real.kafka.lose(TOPIC));
    real.add_listener(&[]);
    let mut listener = real.listeners.pop().expect("just added");
    let said = halted(&mut listener, &["docs/OPERATIONS.md#position-outside-the-log", "which holds 0 to 0"]);
    assert_clean_but_for_offsets(accept_and_go_on(deployment, shop, &said, &old).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_loses_what_was_applied_halts_the_listeners_that_run() {
    if !super::facts::kcat_is_there() {
        return;
    }
    let Some((mut deployment, shop)) = used().await else { return };
    let real = deployment.real_parts();
    let old = messages(&real.kafka);
    tokio::task::block_in_place(|| real.kafka.lose(TOPIC));
    let mut said = String::new();
    for listener in &mut real.listeners {
        said = halted(listener, &["docs/OPERATIONS.md#position-outside-the-log", "which holds 0 to 0"]);
    }
    real.listeners.clear();
    assert_clean_but_for_offsets(accept_and_go_on(deployment, shop, &said, &old).await);
}
