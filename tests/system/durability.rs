//! Durability seen from outside: the system calls of the writer say in which order it writes, synchronises and tells.
//!
//! A kill proves little of a disk, for what a process has written outlives it. That COMMIT means "on the disk" can only be
//! seen in the calls: whatever leaves the listener, to Redis, to Kafka or over HTTP, must follow an `fdatasync` of the
//! write-ahead log that was called after it was written there, and has returned 0.

mod order;
mod trace;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::checker;
use testkit::kafka::may_leave_out;
use testkit::poll::eventually_blocking;
use tokio::task::JoinSet;

use crate::client::{Shop, new_id};
use crate::deployment::{Deployment, Real, stats};
use crate::program::folder;
use order::{MARK, Mark, Order};
use testkit::process::{SOON, report};

const CLIENTS: u64 = 4;
const COMMANDS: u64 = 600;
/// Two commands are in one, at most.
const COMMITS: usize = 300;
const SKU: &str = "DURABLE";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_anybody_before_its_commit_is_on_the_disk() {
    if !strace_is_there() {
        return;
    }
    let (folder, database) = folder();
    let Some(mut real) = Real::without_services(folder.path(), &database).await else { return };
    let trace = folder.path().join("trace");
    real.add_traced_listener(&trace);
    real.complete().await;
    let places =
        [("Redis", real.redis_port()), ("Kafka", port(&real.kafka.address())), ("HTTP", port(&real.listeners[0].base))];
    let mut deployment = Deployment::of(folder, database, real);
    let shop = Shop::of(&deployment).await;
    let created = shop.create(SKU, 1_000_000).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");

    load(&shop, &deployment.real_parts().listeners[0].base.clone()).await;
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();

    let order = tokio::task::block_in_place(|| read(&trace, &places));
    assert!(
        order.violations.is_empty(),
        "{}: {:#?}",
        order.violations.len(),
        &order.violations[..order.violations.len().min(20)]
    );
    let commands: BTreeSet<Mark> = (0..COMMANDS).map(Mark::Command).collect();
    for place in ["Redis", "Kafka"] {
        assert!(order.told[place].is_superset(&commands), "not all of them reached {place}");
    }
    let answers = order.told["HTTP"].len();
    assert!(answers > 10, "{answers} sequences were told over HTTP");
    assert_eq!(order.told.get("elsewhere"), None, "nobody else is told");
    let commits = order.marked_commits();
    assert!(commits >= COMMITS, "{commits} commits");
    report(&format!("{COMMANDS} commands in {commits} commits, {answers} sequences told over HTTP, none too early"));
}

/// Clients that reserve, each time for another customer, while somebody keeps asking the listener how far it is.
async fn load(shop: &Shop, listener: &str) {
    let writing = AtomicBool::new(true);
    let asking = async {
        while writing.load(Ordering::Relaxed) {
            stats(listener).await;
        }
    };
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(one_client(shop.clone(), client));
    }
    let writers = async {
        clients.join_all().await;
        writing.store(false, Ordering::Relaxed);
    };
    tokio::join!(asking, writers);
}

async fn one_client(shop: Shop, client: u64) {
    for command in (client..COMMANDS).step_by(usize::try_from(CLIENTS).expect("few")) {
        shop.hold_for(new_id(), SKU, &format!("{MARK}{command}")).await.expect("accepted");
    }
}

/// The trace, once it is written to its end.
fn read(trace: &Path, places: &[(&'static str, u16)]) -> Order {
    eventually_blocking(SOON, || tail(trace).contains("+++ exited with 0 +++"));
    let mut order = Order::between(places);
    for line in BufReader::new(std::fs::File::open(trace).expect("a trace")).lines() {
        for event in trace::events(&line.expect("escaped")) {
            order.follow(&event);
        }
    }
    order
}

fn tail(trace: &Path) -> String {
    let shown = Command::new("tail").args(["-n", "3"]).arg(trace).output().expect("tail");
    String::from_utf8_lossy(&shown.stdout).into_owned()
}

/// Of `host:port`, whatever is before it.
fn port(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

fn strace_is_there() -> bool {
    let there = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let missing = if there { &[][..] } else { &["strace"][..] };
    may_leave_out("the trace of a listener", missing, std::env::var_os("CI").is_some()).is_some()
}
