//! One process of ours: its address from its first lines, its log in a file, and the signals that befall it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::poll::{eventually, eventually_blocking};

/// For what takes a second or two on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

const LOG_MAX: u64 = 1024 * 1024;

/// It is killed when the test ends, however that ends.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it in `folder`, on free ports, with nothing from our own environment that it would read.
    pub fn start(program: &Path, name: &str, folder: &Path, environment: &[(&str, String)]) -> Self {
        Self::start_with(program, &[], name, folder, environment)
    }

    /// With arguments besides.
    pub fn start_with(
        program: &Path,
        arguments: &[&str],
        name: &str,
        folder: &Path,
        environment: &[(&str, String)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let into = std::fs::File::options().create(true).append(true).open(&log).expect("a log file");
        let mut command = clean(program, folder);
        command.args(arguments).envs(environment.iter().map(|(variable, value)| (variable, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(into).spawn().expect("started");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { child, name: name.to_owned(), log, lines }
    }

    /// What its next line says of `name`.
    pub fn line(&self, name: &str) -> String {
        let line = self.lines.recv_timeout(SOON);
        let line = line.unwrap_or_else(|_| panic!("{}: no line {name}; its log: {}", self.name, self.log()));
        let (found, address) = line.split_once(' ').expect("a name and an address");
        assert_eq!(found, name, "{line}");
        address.to_owned()
    }

    /// The base URL of a service, told with that of its Swagger.
    pub fn service(&self, name: &str) -> String {
        let base = self.line(name);
        assert_eq!(self.line("swagger"), format!("{base}/swagger/index.html"));
        base
    }

    /// What it has logged until now; of very much, the beginning.
    pub fn log(&self) -> String {
        let mut log = Vec::new();
        let _ = std::fs::File::open(&self.log).and_then(|file| file.take(LOG_MAX).read_to_end(&mut log));
        String::from_utf8_lossy(&log).into_owned()
    }

    /// For `ps` and `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it ever had, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// `-INT`, `-STOP`, …
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill");
        assert!(status.success(), "kill {signal} {}", self.name);
    }

    /// kill -9, at once.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// Ctrl-C; whether it ended well.
    pub fn interrupt(mut self) -> bool {
        self.signal("-INT");
        self.ended() == Some(0)
    }

    /// Waits until it has ended, and gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        eventually_blocking(4 * SOON, || {
            self.child.try_wait().expect("ours").ok_or_else(|| format!("{} still runs: {}", self.name, self.log()))
        })
        .code()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("ours").is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of ours with free ports and a quiet log.
pub fn clean(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
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

/// What was measured, on standard error itself: what goes through `println!` is shown only when a test fails.
pub fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "measured: {line}");
}

/// Waits until a service says that it is ready.
pub async fn ready(base: &str) {
    let url = format!("{base}/health/ready");
    eventually(SOON, async || {
        let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
        if answer.status() == 200 { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
    })
    .await;
}
