//! The processes under load.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A server of ours; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    addresses: HashMap<String, SocketAddr>,
}

impl Server {
    /// The program `binary` in `folder`, with these variables; it tells where it listens.
    pub(crate) fn start(binary: &str, folder: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        for port in ["COMMAND_PORT", "QUERY_PORT", "LISTENER_PORT"] {
            command.env(port, "0");
        }
        command.env("LOG_LEVEL", "error").envs(variables.iter().copied()).current_dir(folder);
        Self::listening(&mut command, 7)
    }

    /// A program that is one service.
    pub(crate) fn start_one(binary: &str, folder: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.env("QUERY_PORT", "0").env("LOG_LEVEL", "error").envs(variables.iter().copied()).current_dir(folder);
        Self::listening(&mut command, 2)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// This program as one of the floors.
    pub(crate) fn floor(which: &str) -> anyhow::Result<Self> {
        Self::listening(Command::new(std::env::current_exe()?).arg(which), 1)
    }

    fn listening(command: &mut Command, lines: usize) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("piped")?;
        let mut addresses = HashMap::new();
        for line in BufReader::new(stdout).lines().take(lines) {
            let line = line?;
            let (name, address) = line.split_once(' ').context("a name and an address")?;
            if let Ok(address) = address.trim_start_matches("http://").parse() {
                addresses.insert(name.to_owned(), address);
            }
        }
        Ok(Self { child, addresses })
    }

    /// Where it listens under this name.
    pub(crate) fn address(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.addresses.get(name).copied().with_context(|| format!("it told no address of {name}"))
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self, name: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/health/ready", self.address(name)?);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{url} was not ready in time")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
