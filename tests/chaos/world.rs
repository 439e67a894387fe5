//! The system under test: real parts, our programs around them, and the ways between that can be made bad.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Parser as _;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use testkit::binaries::{binary, breakable_listener};
use testkit::kafka::Kafka;
use testkit::process::Process;
use testkit::proxy::{Link, Proxy};
use testkit::redis_server::RedisServer;
use tokio::runtime::Handle;

use crate::journal::Journal;
use crate::load::Parties;
use crate::place::Place;
use crate::watch::Watch;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const COMMAND_SERVICES: usize = 2;
/// Beside the database file; one more has Redis alone.
const QUERY_SERVICES: usize = 2;
/// Short, so that many take-overs fit into a run.
const LEASE_SECONDS: &str = "2";
/// `-c` for bash: without it a file size limit ends a process by a signal, before it sees that its disk is full.
const SURVIVES_A_FULL_DISK: &str = "trap '' XFSZ; exec \"$0\"";
const HOST: &str = "127.0.0.1";
/// Who has a way of its own to Kafka.
const KAFKA_LINKS: [&str; 2] = ["command", "listener"];

/// A listener; it has any free port.
pub(crate) struct Listener {
    pub(crate) process: Process,
    pub(crate) base: String,
}

/// Whether anything outside of our processes is at fault now.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) kafka: Kafka,
    pub(crate) redis: Mutex<RedisServer>,
    /// The ways to Redis, and whose they are.
    pub(crate) to_redis: [(&'static str, Proxy); 2],
    pub(crate) parties: Parties,
    pub(crate) listeners: Mutex<Vec<Listener>>,
    pub(crate) outside: Outside,
    pub(crate) watch: Mutex<Watch>,
    /// Somebody holds a snapshot on purpose.
    pub(crate) is_held: AtomicBool,
    /// How often a publisher ended without its last mark.
    pub(crate) publishers_ended: AtomicU64,
    pub(crate) runtime: Handle,
    pub(crate) http: reqwest::Client,
    started: AtomicU64,
    /// What every listener is told besides.
    planted: Vec<(&'static str, String)>,
}

/// Builds the programs, which takes minutes the first time.
pub(crate) fn build() {
    binary("listener-service");
    breakable_listener();
}

/// As it is shipped, or with named points.
fn listener_program(is_breakable: bool) -> PathBuf {
    if is_breakable { breakable_listener() } else { binary("listener-service") }
}

impl World {
    /// Starts the parts, and our processes around them. `None` where there is no Kafka or Redis and none is required.
    pub(crate) fn start(folder: &Path, runtime: Handle, planted: Vec<(&'static str, String)>) -> Option<Arc<Self>> {
        let kafka = Kafka::start_behind(&KAFKA_LINKS)?;
        let redis = RedisServer::start("chaos", &[])?;
        let to_redis = ["listener", "query"].map(|who| (who, Proxy::before(format!("{HOST}:{}", redis.port()))));
        let database = folder.join("data/inventory.db");
        std::fs::create_dir_all(folder.join("data")).expect("a folder");
        let world = Self {
            parties: parties(folder, &database, &kafka, &to_redis),
            folder: folder.to_owned(),
            database,
            kafka,
            redis: Mutex::new(redis),
            to_redis,
            listeners: Mutex::default(),
            outside: Outside::default(),
            watch: Mutex::default(),
            is_held: AtomicBool::new(false),
            publishers_ended: AtomicU64::new(0),
            runtime,
            http: client(),
            started: AtomicU64::new(0),
            planted,
        };
        let is_breakable = !world.planted.is_empty();
        for _ in 0..2 {
            let listener = world.listener(is_breakable, &[]);
            lock(&world.listeners).push(listener);
        }
        for place in world.parties.queries.iter().chain(world.parties.commands.iter()) {
            place.start(&[]);
        }
        Some(Arc::new(world))
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.parties.journal
    }

    /// Starts a listener; it is nobody's yet.
    pub(crate) fn listener(&self, is_breakable: bool, more: &[(&'static str, String)]) -> Listener {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let mut environment = vec![
            ("KAFKA_BROKERS", self.kafka.link("listener")),
            ("REDIS_HOST", HOST.to_owned()),
            ("REDIS_PORT", self.to_redis[0].1.port().to_string()),
            ("SQLITE_PATH", self.database.display().to_string()),
            ("LEASE_SECONDS", LEASE_SECONDS.to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
        ];
        environment.extend_from_slice(&self.planted);
        environment.extend_from_slice(more);
        let program = listener_program(is_breakable);
        let arguments = ["-c", SURVIVES_A_FULL_DISK, program.to_str().expect("a path in the target folder is text")];
        let name = format!("listener-{number}");
        let process = Process::start_with(Path::new("bash"), &arguments, &name, &self.folder, &environment);
        let base = process.service("listener");
        Listener { process, base }
    }

    /// Whatever a fault left behind is made good, so that it can be seen how everything else is.
    pub(crate) fn heal(&self) {
        for proxy in self.to_redis.iter().map(|(_, proxy)| proxy).chain(KAFKA_LINKS.map(|name| self.kafka.proxy(name)))
        {
            proxy.set(Link::Clear);
        }
        if self.kafka.runs() {
            self.kafka.thaw();
        } else {
            self.kafka.start_again();
        }
        lock(&self.redis).thaw();
    }

    /// Whether the listeners must be of the breakable build.
    pub(crate) fn is_planted(&self) -> bool {
        !self.planted.is_empty()
    }

    /// A connection that only looks.
    pub(crate) fn look(&self) -> Connection {
        look(&self.database)
    }

    /// Every process of ours that runs.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let places = self.parties.queries.iter().chain(self.parties.commands.iter()).filter_map(Place::pid);
        places.chain(lock(&self.listeners).iter().map(|listener| listener.process.pid())).collect()
    }

    /// A client of the broker itself, past all proxies.
    pub(crate) fn broker(&self) -> kafka::Connection {
        let address = self.kafka.address();
        let settings = inventory::settings::Program::parse_from(["inventory", "--kafka-brokers", &address]);
        kafka::Connection::from_settings(&settings.run.kafka).expect("settings").expect("a broker")
    }
}

impl Outside {
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// If nothing is at fault: a mark by which it can be told later whether anything was since.
    pub(crate) fn calm(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst) == ended).then_some(ended)
    }
}

fn parties(folder: &Path, database: &Path, kafka: &Kafka, to_redis: &[(&'static str, Proxy); 2]) -> Parties {
    let redis = [("REDIS_HOST", HOST.to_owned()), ("REDIS_PORT", to_redis[1].1.port().to_string())];
    let file = ("SQLITE_PATH", database.display().to_string());
    let query = |name: String, environment: Vec<(&'static str, String)>| {
        let program = binary("query-service");
        Place::new(&name, ("query", "QUERY_PORT"), program, folder.to_owned(), environment)
    };
    let mut queries: Vec<Place> = (0..QUERY_SERVICES)
        .map(|number| query(format!("query-{number}"), redis.iter().cloned().chain([file.clone()]).collect()))
        .collect();
    queries.push(query("query-with-redis-alone".to_owned(), redis.to_vec()));
    let links = queries[0].base.clone();
    let commands = (0..COMMAND_SERVICES).map(|number| {
        let environment = vec![("KAFKA_BROKERS", kafka.link("command")), ("QUERY_BASE_URL", links.clone())];
        let program = binary("command-service");
        let name = format!("command-{number}");
        Place::new(&name, ("command", "COMMAND_PORT"), program, folder.to_owned(), environment)
    });
    Parties {
        commands: commands.collect(),
        queries: queries.into(),
        memory: Arc::default(),
        floors: Arc::default(),
        journal: Arc::new(Journal::begin()),
    }
}

/// Of whoever asks something of our processes.
pub(crate) fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
    client.expect("no setting of this client can fail")
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn look(database: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).expect("it is there");
    connection.busy_timeout(Duration::from_secs(5)).expect("set");
    connection
}

/// The process that holds the lease.
pub(crate) fn holder(connection: &Connection) -> Option<u32> {
    let held = connection.query_row("SELECT pid FROM lease WHERE boot_id <> ''", [], |row| row.get(0));
    held.optional().ok().flatten()
}

/// The next offset to apply.
pub(crate) fn position(connection: &Connection) -> i64 {
    let sql = "SELECT coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL";
    connection.query_row(sql, [], |row| row.get(0)).optional().ok().flatten().unwrap_or(0)
}
