//! The running listener and a database of the first schema.

use std::path::Path;
use std::time::Duration;

use listener_service::config::{Config, WhenHeld};
use rusqlite::Connection;
use testkit::poll::eventually;

use crate::app::{Listener, database};
use crate::spawned::{Broker, SOON, look};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schema-1.db");

/// As the first landing's program wrote it.
fn old(path: &Path) -> Connection {
    std::fs::copy(FIXTURE, path).expect("a copy");
    Connection::open(path).expect("opened")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_failed_is_tried_again_by_the_same_process() {
    for when_held in [WhenHeld::StandBy, WhenHeld::Refuse] {
        let (_folder, path) = database();
        let broker = Broker::start().await;
        let connection = old(&path);
        // As no program writes it; it stands for a disk that is full.
        connection.execute_batch("CREATE TABLE stores (it INTEGER)").expect("planted");
        let listener = Listener::start_as(Config { when_held, ..Listener::config(&broker, &path) }).await;
        let epoch = look::<i64>(&path, "SELECT epoch FROM lease").expect("readable");
        eventually(SOON, async || look::<i64>(&path, "SELECT epoch FROM lease") > Some(epoch + 2)).await;
        listener.not_ready_because("database", "cannot change the schema").await;
        connection.execute_batch("DROP TABLE stores").expect("mended");
        eventually(SOON, async || listener.is_ready().await).await;
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_to_end_a_process_that_may_be_migrating() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let migrating = old(&path);
    // Elsewhere, in the transaction that changes the schema.
    migrating.execute("UPDATE lease SET boot_id = 'another', pid = 1, host = 'elsewhere'", []).expect("taken");
    migrating.execute_batch("BEGIN IMMEDIATE").expect("begun");
    let mut config = Listener::config(&broker, &path);
    config.writer.lease = Duration::from_millis(100);
    let listener = Listener::start_as(config).await;
    listener.not_ready_because("lease", "may be bringing the schema up to date").await;
    migrating.execute_batch("ROLLBACK").expect("ended");
    eventually(SOON, async || listener.is_ready().await).await;
    listener.stop().await;
}
