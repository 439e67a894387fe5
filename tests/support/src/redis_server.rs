//! A real Redis for one test, as a process on a free port, without persistence unless the test asks for it.

use std::fmt::Debug;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::IntoConnectionInfo;
use shared::settings::RedisAddress;

use crate::kafka::free_port;
use crate::poll::eventually_blocking;

const PROGRAM: &str = "redis-server";
const SOON: Duration = Duration::from_secs(10);

/// A Redis that ends with the test.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one, with options as on its command line. `None` without `redis-server` on the PATH, after saying that
    /// `test` is left out; with `CI` set that is a failure.
    pub fn start(test: &str, options: &[&str]) -> Option<Self> {
        if let Err(error) = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status() {
            assert!(std::env::var_os("CI").is_none(), "{test}: {PROGRAM}: {error}, and CI leaves nothing out");
            // To standard error itself: what goes through `eprintln!` is shown only when a test fails.
            let _ = writeln!(std::io::stderr(), "{test} is left out, for want of {PROGRAM} on the PATH: {error}");
            return None;
        }
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { child: spawn(port, folder.path(), &options), port, folder, options };
        server.wait();
        Some(server)
    }

    /// Where it is, with the password that it was started with.
    pub fn address(&self) -> RedisAddress {
        let password = self.options.iter().skip_while(|option| *option != "--requirepass").nth(1).cloned();
        RedisAddress { host: "127.0.0.1".to_owned(), port: self.port, password, database: 0 }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection of the test's own.
    pub fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let mut settings = redis::RedisConnectionInfo::default();
        if let Some(password) = self.address().password {
            settings = settings.set_password(password);
        }
        let address = ("127.0.0.1", self.port).into_connection_info()?.set_redis_settings(settings);
        redis::Client::open(address)?.get_connection_with_timeout(Duration::from_secs(5))
    }

    /// One command, and its answer.
    pub fn command<T: redis::FromRedisValue>(&self, words: &[impl AsRef<[u8]> + Debug]) -> T {
        let mut connection = self.connect().expect("it answers");
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// SIGKILL; nothing listens on its port afterwards.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// After [`Self::kill`]: on the same port and folder, so that a dump in it is read.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.options);
        self.wait();
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    fn wait(&mut self) {
        eventually_blocking(SOON, || {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return Err(format!("{PROGRAM} ended with {status}"));
            }
            let mut connection = self.connect().map_err(|error| error.to_string())?;
            redis::cmd("PING").query::<String>(&mut connection).map_err(|error| error.to_string())
        });
    }
}

fn spawn(port: u16, folder: &std::path::Path, options: &Vec<String>) -> Child {
    Command::new(PROGRAM)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
