//! Each named point is reached where its name says, and whoever dies there has lost nothing and done nothing twice.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use listener_service::failpoints::POINTS;
use shared::message::RequestEnvelope;
use testkit::checker::{self, History, Origin, Sent};
use testkit::poll::{eventually, eventually_blocking};
use testkit::read_model::assert_model_equals_database;
use testkit::redis_server::RedisServer;

use crate::app::database;
use crate::processes::{Process, held_by};
use crate::spawned::{Broker, SOON, add_one, create, look, outcomes};

const SIGKILL: i32 = 9;
const LEASE_SECONDS: u32 = 2;
/// So many commands grow the write-ahead log beyond what is left there.
const A_LOT: usize = 3000;

/// A broker with commands on it, before anybody has read them.
struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    broker: Broker,
    redis: Option<RedisServer>,
    history: History,
    poison: Vec<i64>,
}

impl World {
    async fn new() -> Self {
        let (folder, path) = database();
        let history = History { complete: true, ..History::default() };
        let broker = Broker::start().await;
        let mut world = Self { _folder: folder, path, broker, redis: None, history, poison: Vec::new() };
        world.send(&create("A", 1)).await;
        world.send(&add_one("A")).await;
        world
    }

    async fn send(&mut self, request: &RequestEnvelope) {
        self.broker.send(request).await;
        self.history.commands.push(Sent {
            command_id: Some(request.command_id),
            of: request.aggregate_id.clone(),
            expected_type: request.event_type.to_owned(),
            accepted: true,
            unknown: false,
        });
    }

    async fn poison(&mut self) {
        self.poison.push(self.broker.put(Some(b"k"), b"\xffgarbage", &[]).await);
    }

    fn start(&self, failpoint: Option<&str>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_listener-service"));
        command.envs(failpoint.map(|failpoint| ("FAILPOINT", failpoint)));
        if let Some(redis) = &self.redis {
            let address = redis.address();
            command.env("REDIS_HOST", address.host).env("REDIS_PORT", address.port.to_string());
        }
        Process::spawn(&self.broker, &self.path, LEASE_SECONDS, &mut command)
    }

    /// Starts one that kills itself when it first gets there.
    fn dies_at(&self, point: &str) {
        self.start_to_die_at(point).dies();
    }

    fn start_to_die_at(&self, point: &str) -> Process {
        assert!(POINTS.contains(&point), "{point}");
        self.start(Some(&format!("{point}:1:kill")))
    }

    fn look<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        look(&self.path, sql).expect("readable")
    }

    fn outcomes(&self) -> i64 {
        self.look("SELECT count(*) FROM outcomes")
    }

    /// What everybody can see of a batch that was not committed.
    fn assert_nothing_is_committed(&self) {
        let position: Option<i64> = self.look("SELECT next_offset FROM logs");
        assert_eq!((self.outcomes(), position), (0, None));
    }

    /// Another one goes on, and in the end all is as if nobody had died.
    async fn is_followed(&mut self) {
        let follower = self.start(None);
        let expected = i64::try_from(self.history.commands.len()).expect("few");
        held_by(&self.path, &follower).await;
        outcomes(&self.path, expected).await;
        let all_is_published = "SELECT published = (SELECT max(sequence) FROM journal) FROM progress";
        eventually(SOON, async || look::<bool>(&self.path, all_is_published) == Some(true)).await;
        let log: String = self.look("SELECT log_id FROM logs");
        let origin = |&offset: &i64| Origin { log: log.clone(), partition: 0, offset };
        self.history.poison = self.poison.iter().map(origin).collect();
        checker::check(&self.path, &self.history).assert_clean();
        if let Some(redis) = &self.redis {
            assert_model_equals_database(&self.path, &redis.address(), SOON);
        }
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
async fn writer_between_is_inside_a_transaction() {
    let mut world = World::new().await;
    let process = world.start(Some("writer-between:1:stop"));
    let stat = format!("/proc/{}/stat", process.pid());
    eventually(SOON, async || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))).await;
    world.assert_nothing_is_committed();
    let probe = rusqlite::Connection::open(&world.path).expect("opened");
    probe.busy_timeout(std::time::Duration::ZERO).expect("set");
    assert!(probe.execute_batch("BEGIN IMMEDIATE").is_err(), "it holds the write lock");
    process.signal("-KILL");
    process.dies();
    world.dies_at("writer-between");
    world.assert_nothing_is_committed();
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

#[test]
fn a_point_that_there_is_not_is_named_and_ends_the_start_with_64() {
    let program = || Command::new(env!("CARGO_BIN_EXE_listener-service"));
    let said = program().env("FAILPOINT", "nowhere:1:kill").stdin(Stdio::null()).output().expect("run");
    let text = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(64), "{text}");
    assert!(text.contains("FAILPOINT: there is no point \"nowhere\""), "{text}");
}
