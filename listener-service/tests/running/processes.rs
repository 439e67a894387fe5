//! The listener as processes of its own, ended and stopped from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use testkit::poll::{eventually, eventually_blocking};

use crate::PROGRAM;
use crate::spawned::{Broker, SOON, add_one, create, look, outcomes};

const LEASE_SECONDS: u32 = 2;
/// A takeover within the test's time cannot be due to this one's end.
const LONG_LEASE_SECONDS: u32 = 3600;

/// A process of ours; it ends with the test, whatever becomes of that.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(broker: &Broker, path: &Path, lease_seconds: u32) -> Self {
        Self::spawn(broker, path, lease_seconds, &mut Command::new(PROGRAM))
    }

    /// Under a limit on the size of any file that it writes, in blocks of 512 bytes.
    fn start_with_file_limit(broker: &Broker, path: &Path, blocks: u32) -> Self {
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec {PROGRAM}");
        Self::spawn(broker, path, LEASE_SECONDS, Command::new("sh").args(["-c", &script]))
    }

    pub(crate) fn spawn(broker: &Broker, path: &Path, lease_seconds: u32, command: &mut Command) -> Self {
        let child = command
            .env("KAFKA_BROKERS", broker.embedded.connection().brokers())
            .env("SQLITE_PATH", path)
            .env("LISTENER_PORT", "0")
            .env("LEASE_SECONDS", lease_seconds.to_string())
            .env("LOG_LEVEL", "error")
            .current_dir(path.parent().expect("a folder"))
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        Self(child)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill");
        assert!(status.success(), "kill {signal}");
    }

    pub(crate) fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).is_ok_and(|stat| stat.contains(") T "))
    }

    /// Waits until it has ended; whether its exit code was 0.
    pub(crate) fn ended_well(&mut self) -> bool {
        eventually_blocking(SOON, || self.0.try_wait().expect("ours")).success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn database() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.db");
    (folder, path)
}

pub(crate) async fn held_by(path: &Path, process: &Process) {
    eventually(SOON, async || look::<i64>(path, "SELECT pid FROM lease") == Some(process.pid())).await;
}

/// Sends one command and waits until it is applied.
async fn one_more(broker: &Broker, path: &Path) {
    let before: i64 = look(path, "SELECT count(*) FROM outcomes").expect("readable");
    broker.send(&add_one("A")).await;
    outcomes(path, before + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_follows_at_once_when_the_holder_is_killed() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let mut first = Process::start(&broker, &path, LONG_LEASE_SECONDS);
    held_by(&path, &first).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    let second = Process::start(&broker, &path, LONG_LEASE_SECONDS);
    one_more(&broker, &path).await;
    first.signal("-KILL");
    held_by(&path, &second).await;
    assert!(!first.ended_well());
    one_more(&broker, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_stopped_between_two_transactions_is_followed_after_the_lease_and_refused_when_it_goes_on() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let mut first = Process::start(&broker, &path, LEASE_SECONDS);
    held_by(&path, &first).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    stop(&first, &path, false).await;
    let second = Process::start(&broker, &path, LEASE_SECONDS);
    held_by(&path, &second).await;
    one_more(&broker, &path).await;
    assert!(first.0.try_wait().expect("ours").is_none(), "it held no lock, so nobody ended it");
    first.signal("-CONT");
    assert!(!first.ended_well(), "it finds another epoch and exits non-zero");
    one_more(&broker, &path).await;
    assert_eq!(look::<i64>(&path, "SELECT quantity FROM stock_levels"), Some(2), "each applied once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_stopped_inside_a_transaction_is_ended_and_followed() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let mut first = Process::start(&broker, &path, LEASE_SECONDS);
    held_by(&path, &first).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    let load = async {
        for _ in 0..3000 {
            broker.send(&add_one("A")).await;
        }
    };
    // Under load most stops hit a transaction; those that do not are taken back.
    let (second, ()) = tokio::join!(
        async {
            stop(&first, &path, true).await;
            Process::start(&broker, &path, LEASE_SECONDS)
        },
        load
    );
    held_by(&path, &second).await;
    assert!(!first.ended_well(), "the lock went with it");
    outcomes(&path, 3001).await;
    assert_eq!(look::<i64>(&path, "SELECT quantity FROM stock_levels"), Some(3000), "nothing lost, nothing twice");
}

/// Stops the process at a moment when it holds the write lock, or when it does not.
async fn stop(process: &Process, path: &Path, inside_a_transaction: bool) {
    let probe = Connection::open(path).expect("opened");
    probe.busy_timeout(Duration::ZERO).expect("set");
    eventually(SOON, async || {
        process.signal("-STOP");
        eventually_blocking(SOON, || process.is_stopped());
        let locked = probe.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err();
        if locked == inside_a_transaction {
            return true;
        }
        process.signal("-CONT");
        false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_loses_nothing_blames_no_command_and_passes() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let process = Process::start_with_file_limit(&broker, &path, 800);
    held_by(&path, &process).await;
    for n in 0..1500 {
        broker.send(&create(&format!("FULL-{n}"), 1)).await;
    }
    let stuck = eventually(SOON, async || {
        let before: i64 = look(&path, "SELECT heartbeat FROM lease")?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let after: i64 = look(&path, "SELECT heartbeat FROM lease")?;
        (before == after).then(|| look::<i64>(&path, "SELECT count(*) FROM outcomes")).flatten()
    })
    .await;
    assert!(stuck < 1500, "the limit was reached before all were applied");
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited:unlimited", "--pid", &process.pid().to_string()])
        .status()
        .expect("prlimit");
    assert!(lifted.success());
    outcomes(&path, 1500).await;
    assert_eq!(look::<i64>(&path, "SELECT count(*) FROM dead_letters"), Some(0));
}
