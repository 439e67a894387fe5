//! A real Apache Kafka for one test, through `kafka/local.sh`: started, stopped, killed and made anew as the test likes.
//!
//! It listens on a port of its own, keeps its data in a temporary folder, and ends with the test, also if that is ended
//! from outside. Where `CI` is set it must be there; elsewhere a test without Java or Maven says so and is left out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::poll::eventually_blocking;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../kafka/local.sh");
/// Below what the system gives to whoever asks for any port: while the broker is down, no other program gets its port by
/// chance, and no client that keeps connecting is given it as its own end and so connects to itself.
const PORTS: std::ops::Range<u16> = 30_000..32_700;
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A broker; it ends when this is dropped.
#[derive(Debug)]
pub struct Kafka {
    data: tempfile::TempDir,
    port: u16,
    guard: Child,
}

impl Kafka {
    /// Starts one with our four topics. `None`, having said why, where it cannot be had and need not be.
    pub fn start() -> Option<Self> {
        may_leave_out("Kafka", &missing(), std::env::var_os("CI").is_some())?;
        let data = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let guard = guard(data.path(), port);
        let kafka = Self { data, port, guard };
        kafka.start_again();
        Some(kafka)
    }

    /// `host:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// In order, as an operator does: what it has is kept.
    pub fn stop(&self) {
        self.script("stop");
    }

    /// After [`Self::stop`], [`Self::kill`] or [`Self::wipe`]: on the same port, with what data there is.
    pub fn start_again(&self) {
        self.script("start");
    }

    /// kill -9, at once.
    pub fn kill(&self) {
        assert!(self.runs(), "it must run to be killed: the pid may be somebody else's by now");
        let pid = self.pid();
        let killed = Command::new("kill").args(["-KILL", &pid]).status().expect("kill");
        assert!(killed.success(), "kill -KILL {pid}");
        // Its parent may not have asked for it yet; then it has no command line any more.
        let gone = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        eventually_blocking(GONE_WITHIN, || !gone());
    }

    /// Stops it and throws its data away: the next start is another cluster behind the same address.
    pub fn wipe(&self) {
        self.stop();
        std::fs::remove_dir_all(self.data.path().join("log")).expect("removed");
    }

    /// Stops it and starts it with nothing left of the topic's first partition, as after the loss of a disk.
    pub fn lose(&self, topic: &str) {
        self.stop();
        std::fs::remove_dir_all(self.data.path().join(format!("log/{topic}-0"))).expect("removed");
        self.start_again();
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        command(self.data.path(), self.port, "status").stdout(Stdio::null()).status().expect("bash").success()
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.pid")).expect("a pid file").trim().to_owned()
    }

    fn script(&self, what: &str) {
        let done = command(self.data.path(), self.port, what).output().expect("bash");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "kafka/local.sh {what}: {said}\n{}", self.last_lines());
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn command(data: &Path, port: u16, what: &str) -> Command {
    let mut command = Command::new("bash");
    command.args([SCRIPT, what]).env("KAFKA_DATA", data).env("KAFKA_PORT", port.to_string()).stdin(Stdio::null());
    command
}

/// Stops the broker once the test's process is gone, however it went: then the pipe to it is closed. In a process group of
/// its own, so that Ctrl-C is not for it.
fn guard(data: &Path, port: u16) -> Child {
    let mut command = Command::new("bash");
    command.args(["-c", r#"cat >/dev/null; exec bash "$0" stop"#, SCRIPT]);
    command.env("KAFKA_DATA", data).env("KAFKA_PORT", port.to_string()).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("bash")
}

/// Of what the server needs, and Maven only as long as it is not fetched.
fn missing() -> Vec<&'static str> {
    let there = |tool: &str, argument: &str| {
        Command::new(tool).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let fetched: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../target/kafka"].iter().collect();
    let tools = [("bash", there("bash", "--version")), ("java", there("java", "-version"))];
    let maven = ("mvn", fetched.exists() || there("mvn", "-version"));
    tools.into_iter().chain([maven]).filter(|(_, there)| !there).map(|(tool, _)| tool).collect()
}

/// `Some` if nothing is missing. What is left out is said on standard error itself, for what goes through `eprintln!` is
/// shown only when a test fails. In CI nothing is left out.
pub fn may_leave_out(what: &str, missing: &[&str], is_ci: bool) -> Option<()> {
    if missing.is_empty() {
        return Some(());
    }
    let missing = missing.join(", ");
    assert!(!is_ci, "{what} needs {missing}, and CI leaves nothing out");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "left out: {test}: {what} needs {missing}");
    None
}

/// A port that nobody has, and that no outgoing connection takes.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Test programs that run side by side begin at different places.
    let first = u16::try_from(std::process::id() * 61 % u32::from(count)).expect("below the count");
    let mut candidates = (0..count).map(|_| PORTS.start + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % count);
    candidates.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_left_out_but_in_ci() {
        assert_eq!(may_leave_out("Kafka", &[], true), Some(()));
        assert_eq!(may_leave_out("Kafka", &["java"], false), None);
        let in_ci = std::panic::catch_unwind(|| may_leave_out("Kafka", &["java"], true));
        assert!(in_ci.is_err());
    }

    #[test]
    fn a_broker_keeps_its_data_through_stop_and_kill_and_loses_it_when_wiped() {
        let Some(kafka) = Kafka::start() else { return };
        let cluster = || {
            let stored = kafka.data.path().join("log/meta.properties");
            let stored = std::fs::read_to_string(stored).expect("formatted");
            stored.lines().find(|line| line.starts_with("cluster.id=")).expect("an id").to_owned()
        };
        let first = cluster();
        kafka.stop();
        assert!(!kafka.runs());
        kafka.start_again();
        kafka.kill();
        assert!(!kafka.runs());
        kafka.start_again();
        assert!(kafka.runs());
        assert_eq!(cluster(), first);
        kafka.wipe();
        kafka.start_again();
        assert_ne!(cluster(), first);
    }

    #[test]
    fn a_broker_ends_with_its_owner() {
        let Some(kafka) = Kafka::start() else { return };
        let pid = kafka.pid();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(kafka);
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(line.is_empty(), "it still runs");
    }
}
