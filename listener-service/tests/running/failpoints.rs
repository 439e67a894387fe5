//! Each named point is reached where its name says, and whoever dies there has lost nothing and done nothing twice.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use listener_service::failpoints::POINTS;
use testkit::poll::{eventually, eventually_blocking};
use testkit::redis_server::RedisServer;

use crate::PROGRAM;
use crate::processes::Process;
use crate::spawned::{SOON, add_one, create, look, outcomes};
use crate::world::World;

/// Messages that do not all come one by one.
const MANY: i64 = 100;
const SIGKILL: i32 = 9;
/// So many commands grow the write-ahead log beyond what is left there.
const A_LOT: usize = 3000;

impl World {
    /// Starts one that kills itself when it first gets there.
    fn dies_at(&self, point: &str) {
        self.start_to_die_at(point).dies();
    }

    fn start_to_die_at(&self, point: &str) -> Process {
        assert!(POINTS.contains(&point), "{point}");
        self.start(Some(("FAILPOINT", &format!("{point}:1:kill"))))
    }

    /// What everybody can see of a batch that was not committed.
    fn assert_nothing_is_committed(&self) {
        let position: Option<i64> = self.look("SELECT next_offset FROM logs");
        assert_eq!((self.outcomes(), position), (0, None));
    }

    /// Every message before the position has ended, and none behind it.
    fn assert_batches_are_whole(&self) {
        let position: i64 = self.look("SELECT coalesce(next_offset, 0) FROM logs");
        assert_eq!(self.outcomes(), position);
        assert!(position < MANY, "all of {MANY} and more were committed");
    }
}

impl Process {
    /// Waits for the end that it makes itself.
    fn dies(mut self) {
        let status = eventually_blocking(SOON, || self.0.try_wait().expect("ours"));
        assert_eq!(status.signal(), Some(SIGKILL), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_begin_is_before_anything_of_a_batch() {
    let mut world = World::new().await;
    world.dies_at("writer-begin");
    world.assert_nothing_is_committed();
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_time_is_not_the_first() {
    let mut world = World::new().await;
    let process = world.start(Some(("FAILPOINT", "writer-begin:2:kill")));
    eventually(SOON, async || look::<i64>(&world.path, "SELECT count(*) > 0 FROM outcomes") == Some(1)).await;
    world.send(&add_one("A")).await;
    process.dies();
    assert!((1..=2).contains(&world.outcomes()), "one batch: {}", world.outcomes());
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_between_is_inside_a_transaction() {
    let mut world = World::new().await;
    // The first may be taken alone; of so many, some come together.
    for _ in 0..MANY {
        world.send(&add_one("A")).await;
    }
    let process = world.start(Some(("FAILPOINT", "writer-between:1:stop")));
    eventually(SOON, async || process.is_stopped()).await;
    world.assert_batches_are_whole();
    let probe = rusqlite::Connection::open(&world.path).expect("opened");
    probe.busy_timeout(Duration::ZERO).expect("set");
    assert!(probe.execute_batch("BEGIN IMMEDIATE").is_err(), "it holds the write lock");
    process.signal("-KILL");
    process.dies();
    world.dies_at("writer-between");
    world.assert_batches_are_whole();
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_positioned_is_before_the_commit() {
    let mut world = World::new().await;
    world.dies_at("writer-positioned");
    world.assert_nothing_is_committed();
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_committed_is_before_anybody_is_told() {
    let mut world = World::new().await;
    world.dies_at("writer-committed");
    assert!(world.outcomes() > 0);
    assert_eq!(world.broker.read("inventory.items").len(), 0);
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projector_call_is_once_there_is_something_to_project() {
    let Some(redis) = RedisServer::start("projector_call_is_once_there_is_something_to_project", &[]) else { return };
    let mut world = World::new().await;
    world.redis = Some(redis);
    world.dies_at("projector-call");
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publisher_dead_letter_is_when_it_is_on_its_topic_and_that_is_not_marked() {
    let mut world = World::new().await;
    world.poison().await;
    world.dies_at("publisher-dead-letter");
    assert_eq!(world.broker.read("inventory.dlq").len(), 1);
    let (published, letter): (i64, i64) =
        (world.look("SELECT published FROM progress"), world.look("SELECT sequence FROM dead_letters"));
    assert!(published < letter, "{published} {letter}");
    world.is_followed().await;
    let letters = world.broker.read("inventory.dlq");
    let ids: BTreeSet<_> =
        letters.iter().map(|letter| letter.headers.iter().find(|(name, _)| name == "dlq-id")).collect();
    assert_eq!((letters.len(), ids.len()), (2, 1), "twice under one id");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_is_when_the_write_ahead_log_has_grown() {
    let mut world = World::new().await;
    for n in 0..A_LOT {
        world.send(&create(&format!("SKU-{n}"), 1)).await;
    }
    world.dies_at("checkpoint");
    let wal = |path: &Path| path.with_extension("db-wal").metadata().expect("there").len();
    assert!(wal(&world.path) > 4 * 1024 * 1024, "{}", wal(&world.path));
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_taking_is_before_anybody_holds_it() {
    let mut world = World::new().await;
    world.dies_at("lease-taking");
    assert_eq!(world.look::<i64>("SELECT epoch + pid FROM lease"), 0);
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_when_all_is_published_and_the_lease_is_held() {
    let mut world = World::new().await;
    let process = world.start_to_die_at("shutdown");
    outcomes(&world.path, 2).await;
    process.signal("-TERM");
    let pid = process.pid();
    process.dies();
    assert_eq!(world.look::<i64>("SELECT pid FROM lease"), pid);
    assert_eq!(world.broker.read("inventory.items").len(), 1);
    assert_eq!(world.broker.read("inventory.stock").len(), 2);
    world.is_followed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_after_the_signal_is_published_before_the_end() {
    let mut world = World::new().await;
    let mut process = world.start(Some(("FAILPOINT", "writer-positioned:1:stop")));
    eventually(SOON, async || process.is_stopped()).await;
    process.signal("-TERM");
    process.signal("-CONT");
    assert!(process.ended_well());
    assert!(world.outcomes() > 0 && world.is_all_published());
    assert!(!world.broker.read("inventory.items").is_empty());
    world.is_followed().await;
}

#[test]
fn what_there_is_not_is_named_and_ends_the_start_with_64() {
    for (variable, text, named) in [
        ("FAILPOINT", "nowhere:1:kill", "FAILPOINT: there is no point \"nowhere\""),
        ("PLANT", "nothing", "PLANT: there is no fault \"nothing\""),
    ] {
        let mut program = Command::new(PROGRAM);
        let said = program.env(variable, text).stdin(Stdio::null()).output().expect("run");
        let text = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(64), "{text}");
        assert!(text.contains(named), "{text}");
    }
}
