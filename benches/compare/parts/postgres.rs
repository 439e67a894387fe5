//! PostgreSQL from Debian's packages, where it is found: one cluster in a folder of its own, as durable as SQLite is.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use testkit::kafka::free_port;

use super::Missing;
use crate::bench::Bench;

const PACKAGES: &str = "/usr/lib/postgresql";
/// Its server refuses to run as root; the Debian package makes this user.
const USER: &str = "postgres";
const WITHIN: Duration = Duration::from_mins(1);
/// Durable, as SQLite is with `synchronous=FULL`; and with what a database of its own would be given: memory for all that
/// is touched, and no checkpoint in the middle of a run.
const SETTINGS: [&str; 8] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "listen_addresses=127.0.0.1",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "max_connections=100",
];

pub(crate) struct Postgres {
    server: Child,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// With an empty database.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let folder = Bench::folder()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700))?;
        if is_root()? {
            let (user, group) = user()?;
            chown(&data, Some(user), Some(group))?;
        }
        let mut initdb = as_user(&programs.join("initdb"))?;
        run(initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]))?;
        let port = free_port();
        let mut server = as_user(&programs.join("postgres"))?;
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]).arg("-k").arg(&data);
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let log = std::fs::File::create(folder.path().join("server.log"))?;
        let server = server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let postgres = Self { server, programs, folder, port };
        postgres.wait()?;
        Ok(postgres)
    }

    /// Runs a script.
    pub(crate) fn script(&self, script: &Path) -> anyhow::Result<()> {
        run(self.client("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]).arg("-f").arg(script)).map(drop)
    }

    /// One statement, and the value that it gives.
    pub(crate) fn value(&self, statement: &str) -> anyhow::Result<String> {
        Ok(run(self.client("psql").args(["-X", "-A", "-t", "-c", statement]))?.trim().to_owned())
    }

    /// Transactions a second, by pgbench's own count.
    pub(crate) fn pgbench(&self, script: &str, clients: u32, time: Duration) -> anyhow::Result<f64> {
        let path = self.folder.path().join("script.sql");
        std::fs::write(&path, script)?;
        let threads = clients.min(2).to_string();
        let seconds = time.as_secs().max(1).to_string();
        let mut pgbench = self.client("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-c", &clients.to_string(), "-j", &threads, "-T", &seconds]);
        let said = run(pgbench.arg("-f").arg(path))?;
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        let failed = said.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
        ensure!(failed.is_none_or(|failed| failed.starts_with("0 ")), "transactions failed: {said}");
        Ok(tps.with_context(|| format!("pgbench tells no rate: {said}"))?.parse()?)
    }

    fn client(&self, program: &str) -> Command {
        let mut client = Command::new(self.programs.join(program));
        client.env("PGHOST", self.folder.path().join("data")).env("PGPORT", self.port.to_string());
        client.env("PGUSER", USER).env("PGDATABASE", USER).stdin(Stdio::null());
        client
    }

    fn wait(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while run(&mut self.client("pg_isready")).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            ensure!(started.elapsed() < WITHIN, "PostgreSQL does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    /// At once: nobody needs the data any more.
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.server.wait();
    }
}

/// The newest of Debian's packages, or what is on the PATH.
fn programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(PACKAGES).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(versions);
    let number = |folder: &PathBuf| {
        let version = folder.parent().and_then(Path::file_name).and_then(OsStr::to_str);
        version.and_then(|version| version.parse::<u32>().ok())
    };
    let all =
        |folder: &PathBuf| ["initdb", "postgres", "pgbench", "psql"].iter().all(|name| folder.join(name).exists());
    let found = folders.filter(all).max_by_key(number);
    found.ok_or_else(|| Missing("it needs PostgreSQL's server and pgbench (Debian: postgresql)".to_owned()).into())
}

fn is_root() -> anyhow::Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// The ids of the user and of its group.
fn user() -> anyhow::Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find_map(|line| line.strip_prefix(USER)?.strip_prefix(':'));
    let line = line.ok_or_else(|| Missing(format!("PostgreSQL needs the user {USER}, for it refuses root")))?;
    let mut ids = line.split(':').skip(1).take(2).map(str::parse);
    Ok((ids.next().context("a user id")??, ids.next().context("a group id")??))
}

/// The program, as somebody else if we are root; the process is still our child, and ends with us.
fn as_user(program: &Path) -> anyhow::Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--pdeathsig", "QUIT"]).arg(program);
    Ok(command)
}

/// What it says; an error unless it ends well.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    Ok(said)
}
