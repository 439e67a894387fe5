//! The program as a process, on free ports and a folder of its own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use testkit::poll::eventually_blocking;

use testkit::process::{Process, SOON, clean, ready};

const INVENTORY: &str = env!("CARGO_BIN_EXE_inventory");

/// A running trio. It is killed when the test ends, however that ends.
pub(crate) struct Program {
    pub(crate) process: Process,
    pub(crate) command: String,
    pub(crate) query: String,
    pub(crate) listener: String,
}

/// The program with the given arguments, in `folder`, with nothing from our own environment that it would read.
pub(crate) fn inventory(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = clean(Path::new(INVENTORY), folder);
    command.args(arguments);
    command
}

impl Program {
    /// Starts it and waits until all three services are ready.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::started(Self::launch(folder, &[])).await
    }

    /// The process alone, which may not be ready for a while.
    pub(crate) fn launch(folder: &Path, environment: &[(&str, String)]) -> Process {
        Process::start(Path::new(INVENTORY), "inventory", folder, environment)
    }

    /// Waits until all three services of one that was launched are ready.
    pub(crate) async fn started(process: Process) -> Self {
        process.line("broker");
        let [command, query, listener] = ["command", "query", "listener"].map(|name| process.service(name));
        for base in [&command, &query, &listener] {
            ready(base).await;
        }
        Self { process, command, query, listener }
    }

    /// Ctrl-C; whether it ended well.
    pub(crate) fn interrupt(self) -> bool {
        self.process.interrupt()
    }
}

/// Runs it to its end, bounded.
pub(crate) fn run_to_end(command: &mut Command) -> Output {
    run_within(SOON, command)
}

/// The same, for what takes longer. What it prints must fit into a pipe.
pub(crate) fn run_within(bound: Duration, command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let status = eventually_blocking(bound, || child.try_wait().expect("ours"));
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
