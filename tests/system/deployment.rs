//! The two ways in which the system runs: as one program with everything in it, and as processes around real parts.

use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::contract::Client;
use testkit::kafka::Kafka;
use testkit::poll::eventually;
use testkit::read_model::assert_model_equals_database;
use testkit::redis_server::RedisServer;
use tokio::sync::{Mutex, MutexGuard};

use crate::program::{Program, folder};
use testkit::binaries::binary;
use testkit::process::{Process, SOON, ready};

const COMMAND_SERVICES: usize = 2;
const QUERY_SERVICES: usize = 2;
const LISTENERS: usize = 2;

/// Two of the large ones at once would only wait for each other's processor time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A system with its data; it ends with the test, however that ends.
pub(crate) struct Deployment {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: PathBuf,
    pub(crate) parts: Parts,
    /// Of one with real parts, these have it.
    _alone: Option<MutexGuard<'static, ()>>,
}

/// What it is made of.
pub(crate) enum Parts {
    /// The all-in-one program, its broker embedded. `None` while it is down.
    Embedded(Option<Program>),
    /// A real Kafka, and each service in processes of its own.
    Real(Box<Real>),
}

/// The real parts and the processes around them.
pub(crate) struct Real {
    pub(crate) commands: Vec<Service>,
    pub(crate) queries: Vec<Service>,
    pub(crate) listeners: Vec<Service>,
    pub(crate) kafka: Kafka,
    redis: RedisServer,
    pub(crate) database: PathBuf,
    pub(crate) folder: PathBuf,
    lease_seconds: u32,
    started: usize,
    _alone: MutexGuard<'static, ()>,
}

/// A process with one service in it.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) base: String,
}

impl Deployment {
    pub(crate) async fn embedded() -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let (folder, database) = folder();
        let program = Program::start(folder.path()).await;
        Self { folder, database, parts: Parts::Embedded(Some(program)), _alone: Some(alone) }
    }

    /// `None` where there is no Kafka and none is required.
    pub(crate) async fn real() -> Option<Self> {
        Self::real_with(|real| real).await
    }

    pub(crate) async fn real_with(settings: fn(Real) -> Real) -> Option<Self> {
        let (folder, database) = folder();
        let mut real = settings(Real::without_services(folder.path(), &database).await?);
        real.start_all().await;
        Some(Self::of(folder, database, real))
    }

    pub(crate) fn of(folder: tempfile::TempDir, database: PathBuf, real: Real) -> Self {
        Self { folder, database, parts: Parts::Real(Box::new(real)), _alone: None }
    }

    /// For tests of what only the real parts can do.
    pub(crate) fn real_parts(&mut self) -> &mut Real {
        match &mut self.parts {
            Parts::Real(real) => real,
            Parts::Embedded(_) => panic!("this deployment has its parts embedded"),
        }
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        match &self.parts {
            Parts::Embedded(program) => program.iter().map(|program| program.command.clone()).collect(),
            Parts::Real(real) => bases(&real.commands),
        }
    }

    pub(crate) fn queries(&self) -> Vec<String> {
        match &self.parts {
            Parts::Embedded(program) => program.iter().map(|program| program.query.clone()).collect(),
            Parts::Real(real) => bases(&real.queries),
        }
    }

    fn listeners(&self) -> Vec<String> {
        match &self.parts {
            Parts::Embedded(program) => program.iter().map(|program| program.listener.clone()).collect(),
            Parts::Real(real) => bases(&real.listeners),
        }
    }

    /// Whether a 202 says that the writer has committed; with a real Kafka it says that the log has the command.
    pub(crate) fn commits_before_202(&self) -> bool {
        matches!(self.parts, Parts::Embedded(_))
    }

    /// kill -9 of every process of ours, at once.
    pub(crate) fn kill(&mut self) {
        match &mut self.parts {
            Parts::Embedded(program) => program.take().expect("it runs").process.kill(),
            Parts::Real(real) => real.take_services().for_each(|service| service.process.kill()),
        }
    }

    pub(crate) async fn start_again(&mut self) {
        match &mut self.parts {
            Parts::Embedded(program) => *program = Some(Program::start(self.folder.path()).await),
            Parts::Real(real) => real.start_all().await,
        }
    }

    /// Ctrl-C to every process of ours; all end well.
    pub(crate) fn interrupt(&mut self) {
        match &mut self.parts {
            Parts::Embedded(program) => assert!(program.take().expect("it runs").interrupt()),
            Parts::Real(real) => real.take_services().for_each(|service| assert!(service.process.interrupt())),
        }
    }

    /// Waits until the writer has nothing more to do, and Redis holds what the database does.
    pub(crate) async fn quiet(&self) {
        quiet(&self.listeners()).await;
        if let Parts::Real(real) = &self.parts {
            assert_model_equals_database(&self.database, &real.redis.address(), SOON);
        }
    }
}

impl Real {
    /// The parts that are not ours, with our services still to start.
    pub(crate) async fn without_services(folder: &Path, database: &Path) -> Option<Self> {
        let alone = ONE_AT_A_TIME.lock().await;
        let kafka = Kafka::start()?;
        let redis = RedisServer::start("a test with real parts", &[])?;
        std::fs::create_dir_all(database.parent().expect("a folder")).expect("made");
        let (commands, queries, listeners) = (Vec::new(), Vec::new(), Vec::new());
        let (folder, database) = (folder.to_owned(), database.to_owned());
        Some(Self {
            commands,
            queries,
            listeners,
            kafka,
            redis,
            database,
            folder,
            lease_seconds: 10,
            started: 0,
            _alone: alone,
        })
    }

    /// How long a standby waits for a listener that stands still.
    pub(crate) fn with_lease_seconds(mut self, seconds: u32) -> Self {
        self.lease_seconds = seconds;
        self
    }

    /// What every process is told: the one place for the addresses of what all services share.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let redis = self.redis.address();
        vec![
            ("KAFKA_BROKERS", self.kafka.address()),
            ("REDIS_HOST", redis.host),
            ("REDIS_PORT", redis.port.to_string()),
        ]
    }

    /// Beside the environment, what those are told that see the database file.
    fn database(&self) -> (&'static str, String) {
        ("SQLITE_PATH", self.database.to_str().expect("a temporary path is text").to_owned())
    }

    pub(crate) fn redis_port(&self) -> u16 {
        self.redis.port()
    }

    fn start(&mut self, program: &str, name: &str, arguments: &[&str], more: &[(&'static str, String)]) -> Service {
        self.run(&binary(program), name, arguments, more)
    }

    fn run(&mut self, program: &Path, name: &str, arguments: &[&str], more: &[(&'static str, String)]) -> Service {
        self.started += 1;
        let environment = [self.environment(), more.to_vec()].concat();
        let named = format!("{name}-{}", self.started);
        let process = Process::start_with(program, arguments, &named, &self.folder, &environment);
        let base = process.service(name);
        Service { process, base }
    }

    pub(crate) fn add_listener(&mut self, arguments: &[&str]) {
        let settings = [self.database(), ("LEASE_SECONDS", self.lease_seconds.to_string())];
        let service = self.start("listener-service", "listener", arguments, &settings);
        self.listeners.push(service);
    }

    /// One that is watched from outside: every byte that it writes, and what it has on the disk, is in `trace`. Its messages
    /// are not compressed, so that they can be read there, and its batches are small, so that there are many.
    pub(crate) fn add_traced_listener(&mut self, trace: &Path) {
        let program = binary("listener-service");
        let calls = "trace=pwrite64,write,fdatasync,fsync,sendto,sendmsg,writev";
        // With -D the listener is the process that we start, and signals go to it.
        let mut arguments = vec!["-D", "-f", "-yy", "--seccomp-bpf", "-s", "16777216", "-e", calls, "-o"];
        arguments.extend([trace, &program].map(|path| path.to_str().expect("text")));
        let more = [("KAFKA_PROPERTIES", "compression.type=none"), ("BATCH_MAX", "2")];
        let settings = [vec![self.database()], more.map(|(name, value)| (name, value.to_owned())).to_vec()].concat();
        let service = self.run(Path::new("strace"), "listener", &arguments, &settings);
        self.listeners.push(service);
    }

    /// Beside the database file, with Redis before it.
    pub(crate) fn add_query(&mut self) {
        let settings = [self.database()];
        let service = self.start("query-service", "query", &[], &settings);
        self.queries.push(service);
    }

    /// As on another host: it has Redis, and no file.
    fn add_query_elsewhere(&mut self) {
        let service = self.start("query-service", "query", &[], &[]);
        self.queries.push(service);
    }

    pub(crate) fn add_command(&mut self) {
        let links = self.queries.first().map(|query| ("QUERY_BASE_URL", query.base.clone()));
        let service = self.start("command-service", "command", &[], links.as_slice());
        self.commands.push(service);
    }

    /// Several of each, and waits until all are ready.
    pub(crate) async fn start_all(&mut self) {
        // One writes, the other stands by.
        (0..LISTENERS).for_each(|_| self.add_listener(&[]));
        (0..QUERY_SERVICES).for_each(|_| self.add_query());
        self.add_query_elsewhere();
        (0..COMMAND_SERVICES).for_each(|_| self.add_command());
        self.ready().await;
    }

    /// One of each service that there is none of, and waits until all are ready.
    pub(crate) async fn complete(&mut self) {
        if self.queries.is_empty() {
            self.add_query();
        }
        if self.commands.is_empty() {
            self.add_command();
        }
        self.ready().await;
    }

    pub(crate) async fn ready(&self) {
        for service in self.listeners.iter().chain(&self.queries).chain(&self.commands) {
            ready(&service.base).await;
        }
    }

    fn take_services(&mut self) -> impl Iterator<Item = Service> {
        let taken = [&mut self.commands, &mut self.queries, &mut self.listeners].map(std::mem::take);
        taken.into_iter().flatten()
    }

    /// Takes the listener that writes out of the list.
    pub(crate) async fn take_active(&mut self) -> Service {
        let index = eventually(SOON, async || {
            for (index, listener) in self.listeners.iter().enumerate() {
                if stats(&listener.base).await["writer"] == "active" {
                    return Some(index);
                }
            }
            None
        })
        .await;
        self.listeners.remove(index)
    }
}

fn bases(services: &[Service]) -> Vec<String> {
    services.iter().map(|service| service.base.clone()).collect()
}

/// The figures of a listener.
pub(crate) async fn stats(listener: &str) -> Value {
    Client::connect(listener.to_owned()).await.get("/monitoring/stats").await.json()
}

/// Waits until the one of these listeners that writes has nothing more to do.
pub(crate) async fn quiet(listeners: &[String]) {
    let mut clients = Vec::new();
    for base in listeners {
        clients.push(Client::connect(base.clone()).await);
    }
    eventually(2 * SOON, async || {
        let mut seen = Vec::new();
        for listener in &clients {
            let Ok(answer) = listener.request("GET", "/monitoring/stats").try_send().await else { continue };
            let stats = answer.json();
            if stats["writer"] == "active" && stats["lag"] == 0 && stats["published"] == stats["sequence"] {
                return Ok(());
            }
            seen.push(stats);
        }
        Err(seen)
    })
    .await;
}
