//! The program as a process, on free ports and a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use testkit::poll::{eventually, eventually_blocking};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running trio. It is killed when the test ends, however that ends.
pub(crate) struct Program {
    child: Child,
    pub(crate) command: String,
    pub(crate) query: String,
    pub(crate) listener: String,
}

/// The program with the given arguments, in `folder`, with nothing from our own environment that it would read.
pub(crate) fn inventory(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inventory"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(std::env::vars().filter(|(name, _)| name == "PATH"))
        .env("COMMAND_PORT", "0")
        .env("QUERY_PORT", "0")
        .env("LISTENER_PORT", "0")
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::null());
    command
}

impl Program {
    /// Starts it and waits until all three services are ready.
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut child = inventory(folder, &[]).stdout(Stdio::piped()).spawn().expect("started");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let address = |name: &str| {
            let line = lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("no line {name} on standard output"));
            let (found, address) = line.split_once(' ').expect("a name and an address");
            assert_eq!(found, name, "{line}");
            address.to_owned()
        };
        address("broker");
        let service = |name: &str| {
            let base = address(name);
            assert_eq!(address("swagger"), format!("{base}/swagger/index.html"));
            base
        };
        let (command, query, listener) = (service("command"), service("query"), service("listener"));
        let program = Self { child, command, query, listener };
        for base in [&program.command, &program.query, &program.listener] {
            let url = format!("{base}/health/ready");
            eventually(SOON, async || {
                reqwest::get(&url).await.map_err(|error| error.to_string()).and_then(|answer| {
                    if answer.status() == 200 { Ok(()) } else { Err(format!("{url}: {}", answer.status())) }
                })
            })
            .await;
        }
        program
    }

    /// kill -9, at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// Ctrl-C; whether it ended well.
    pub(crate) fn interrupt(mut self) -> bool {
        self.signal();
        self.ended() == Some(0)
    }

    /// Ctrl-C.
    pub(crate) fn signal(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    }

    /// Waits until it has ended, and gives its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        eventually_blocking(SOON, || self.child.try_wait().expect("ours")).code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end, bounded.
pub(crate) fn run_to_end(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let status = eventually_blocking(SOON, || child.try_wait().expect("ours"));
    let mut output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
    child.stdout.take().expect("piped").read_to_end(&mut output.stdout).expect("read");
    child.stderr.take().expect("piped").read_to_end(&mut output.stderr).expect("read");
    output
}

/// A folder for one trio, and where its database is.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("data/inventory.db");
    (folder, database)
}
