//! A real Apache Kafka for one test, through `kafka/local.sh`: started, stopped, killed and made anew as the test likes.
//!
//! It listens on a port of its own, keeps its data in a temporary folder, and ends with the test, also if that is ended
//! from outside. Where `CI` is set it must be there; elsewhere a test without Java or Maven says so and is left out.
//!
//! A client goes on with the address that the broker tells it. So who is to come through a proxy needs a listener of its
//! own, which tells the proxy's: [`Kafka::start_behind`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::poll::eventually_blocking;
use crate::proxy::Proxy;

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
    behind: BTreeMap<String, Behind>,
    jit: Jit,
}

/// How well the JVM compiles it.
#[derive(Debug, Clone, Copy)]
enum Jit {
    Quickly,
    AsServersRun,
}

/// A listener and the proxy before it.
#[derive(Debug)]
struct Behind {
    port: u16,
    proxy: Proxy,
}

impl Kafka {
    /// Starts one with our four topics. `None`, having said why, where it cannot be had and need not be.
    pub fn start() -> Option<Self> {
        Self::start_behind(&[])
    }

    /// As [`Self::start`], compiled as servers are: for who measures it, once it has run for a while.
    pub fn start_measured() -> Option<Self> {
        Self::start_as(Jit::AsServersRun, &[])
    }

    /// As [`Self::start`], with a further way to it for each name (letters), through a proxy of its own.
    pub fn start_behind(names: &[&str]) -> Option<Self> {
        Self::start_as(Jit::Quickly, names)
    }

    fn start_as(jit: Jit, names: &[&str]) -> Option<Self> {
        may_leave_out("Kafka", &missing(), std::env::var_os("CI").is_some())?;
        let data = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let guard = guard(data.path(), port);
        let behind = |&name: &&str| {
            let port = free_port();
            (name.to_owned(), Behind { port, proxy: Proxy::before(format!("127.0.0.1:{port}")) })
        };
        let kafka = Self { data, port, guard, behind: names.iter().map(behind).collect(), jit };
        kafka.start_again();
        Some(kafka)
    }

    /// `host:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// As [`Self::address`], for whoever is to come through the proxy of this name.
    pub fn link(&self, name: &str) -> String {
        self.proxy(name).address()
    }

    /// What makes that way bad, and good again.
    pub fn proxy(&self, name: &str) -> &Proxy {
        &self.behind.get(name).unwrap_or_else(|| panic!("it was not started behind {name:?}")).proxy
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// In order, as an operator does: what it has is kept.
    pub fn stop(&self) {
        self.script("stop");
    }

    /// After [`Self::stop`], [`Self::kill`] or [`Self::wipe`]: on the same port, with what data there is.
    pub fn start_again(&self) {
        self.script("start");
    }

    /// kill -9, at once, also while it is frozen.
    pub fn kill(&self) {
        let pid = self.signal("-KILL");
        // Its parent may not have asked for it yet; then it has no command line any more.
        let is_there = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        eventually_blocking(GONE_WITHIN, || !is_there());
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
        self.command("status").stdout(Stdio::null()).status().expect("bash").success()
    }

    /// To whom it was sent.
    fn signal(&self, signal: &str) -> String {
        assert!(self.runs(), "it must run for a {signal}: the pid may be somebody else's by now");
        let pid = self.pid();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(sent.success(), "kill {signal} {pid}");
        pid
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.pid")).expect("a pid file").trim().to_owned()
    }

    fn script(&self, what: &str) {
        let done = self.command(what).output().expect("bash");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "kafka/local.sh {what}: {said}\n{}", self.last_lines());
    }

    fn command(&self, what: &str) -> Command {
        let listener = |(name, behind): (&String, &Behind)| format!("{name}:{}:{}", behind.port, behind.proxy.port());
        let proxied: Vec<String> = self.behind.iter().map(listener).collect();
        let mut command = Command::new("bash");
        command.args([SCRIPT, what]).env("KAFKA_DATA", self.data.path()).env("KAFKA_PORT", self.port.to_string());
        command.env("KAFKA_PROXIED", proxied.join(" ")).stdin(Stdio::null());
        if let Jit::AsServersRun = self.jit {
            command.env("KAFKA_JIT_LEVEL", "4");
        }
        command
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
mod tests;
