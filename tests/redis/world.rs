//! The trio in this process, on a real Redis, with readers beside it: one that has only Redis, one that has only the
//! database.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use inventory::settings::Program;
use inventory::trio::Trio;
use query_service::App;
use serde_json::{Value, json};
use shared::lifecycle::Shutdown;
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;
use testkit::redis_server::RedisServer;
use tokio::task::JoinHandle;

pub(crate) const SOON: Duration = Duration::from_mins(2);
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) redis: RedisServer,
    pub(crate) command: Client,
    /// Of the trio: Redis, memory, database.
    pub(crate) beside: Client,
    /// Redis and memory, as on another host.
    pub(crate) alone: Client,
    /// Memory and database.
    pub(crate) database: Client,
    pub(crate) listener: Client,
    running: Option<Running>,
    /// They end with the test.
    _readers: [Running; 2],
    folder: tempfile::TempDir,
}

pub(crate) struct Running {
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.begin(DRAIN);
        self.task.await.expect("it did not panic")
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.task.await.expect("it did not panic")
    }
}

/// A command that got a 202.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) command_id: String,
    pub(crate) token: String,
}

impl World {
    /// `None` without a redis-server, after saying so.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::with(test, &[]).await
    }

    /// With options of redis-server.
    pub(crate) async fn with(test: &str, options: &[&str]) -> Option<Self> {
        let redis = RedisServer::start(test, options)?;
        let folder = tempfile::tempdir().expect("a folder");
        let (running, [command, beside, listener]) = trio(&redis, &folder.path().join("inventory.db")).await;
        let alone = reader(&arguments_of_redis(&redis)).await;
        let path = folder.path().join("inventory.db").display().to_string();
        let database = reader(&["--sqlite-path".to_owned(), path]).await;
        let world = Self {
            redis,
            command,
            beside,
            alone: alone.1,
            database: database.1,
            listener,
            running: Some(running),
            _readers: [alone.0, database.0],
            folder,
        };
        world.whole().await;
        Some(world)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("inventory.db")
    }

    /// Waits until both readers of Redis are served by it.
    pub(crate) async fn whole(&self) {
        for reader in [&self.beside, &self.alone] {
            eventually(SOON, async || {
                let health = reader.get("/health/ready").await.json();
                if health["dependencies"]["redis"]["status"] == "up" { Ok(()) } else { Err(health) }
            })
            .await;
        }
    }

    /// Stops the trio; the readers go on.
    pub(crate) async fn stop_trio(&mut self) {
        self.running.take().expect("it runs").stop().await.expect("it ended well");
    }

    /// After [`Self::stop_trio`]: another process on the same data.
    pub(crate) async fn start_trio(&mut self) {
        let (running, [command, beside, listener]) = trio(&self.redis, &self.path()).await;
        self.running = Some(running);
        (self.command, self.beside, self.listener) = (command, beside, listener);
    }

    pub(crate) async fn create(&self, sku: &str, name: &str, quantity: u32) -> Accepted {
        self.write("POST", "", &json!({"sku": sku, "name": name, "quantity": quantity})).await
    }

    pub(crate) async fn adjust(&self, sku: &str, quantity: i32) -> Accepted {
        self.write("POST", &format!("/sku/{sku}/adjust"), &json!({"quantity": quantity})).await
    }

    pub(crate) async fn delete(&self, sku: &str) -> Accepted {
        let answer = self.command.request("DELETE", format!("/api/v1/inventory/items/sku/{sku}")).send().await;
        accepted(&answer)
    }

    pub(crate) async fn write(&self, method: &str, path: &str, body: &Value) -> Accepted {
        self.send(method, &format!("/inventory/items{path}"), body).await
    }

    /// To any path of the API.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Accepted {
        accepted(&self.command.request(method, format!("/api/v1{path}")).json(body).send().await)
    }

    /// Waits until every reader has applied it.
    pub(crate) async fn settled(&self, accepted: &Accepted) {
        for reader in [&self.beside, &self.alone, &self.database] {
            eventually(SOON, async || {
                let answer = reader.get(&format!("/api/v1/inventory/items?token={}", accepted.token)).await;
                if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
            })
            .await;
        }
    }
}

pub(crate) fn arguments_of_redis(redis: &RedisServer) -> Vec<String> {
    let address = redis.address();
    let mut arguments =
        vec!["--redis-host".to_owned(), address.host, "--redis-port".to_owned(), address.port.to_string()];
    arguments.extend(address.password.into_iter().flat_map(|password| ["--redis-password".to_owned(), password]));
    arguments
}

/// A query-service with these settings.
pub(crate) async fn reader(arguments: &[String]) -> (Running, Client) {
    let given = ["query-service", "--query-port", "0"].map(str::to_owned);
    let program = query_service::Program::parse_from(given.iter().chain(arguments));
    let app = App::build(program.config().expect("enough to read from")).await.expect("built");
    let base = format!("http://{}", app.address());
    let shutdown = Shutdown::new();
    let task = tokio::spawn(app.run(shutdown.clone()));
    (Running { shutdown, task }, Client::connect(base).await)
}

async fn trio(redis: &RedisServer, path: &std::path::Path) -> (Running, [Client; 3]) {
    let mut arguments: Vec<String> =
        ["inventory", "--command-port", "0", "--query-port", "0", "--listener-port", "0", "--lease-seconds", "2"]
            .map(str::to_owned)
            .to_vec();
    arguments.extend(["--sqlite-path".to_owned(), path.display().to_string()]);
    arguments.extend(arguments_of_redis(redis));
    let settings = Program::parse_from(arguments).run;
    let trio = Trio::build(&settings).await.expect("built");
    let bases = trio.addresses().map(|address| format!("http://{address}"));
    let shutdown = Shutdown::new();
    let task = tokio::spawn(trio.run(shutdown.clone(), DRAIN));
    let mut clients = Vec::new();
    for base in bases {
        let client = Client::connect(base).await;
        eventually(SOON, async || client.get("/health/ready").await.status == 200).await;
        clients.push(client);
    }
    (Running { shutdown, task }, clients.try_into().expect("three"))
}

fn accepted(answer: &Answer) -> Accepted {
    assert_eq!(answer.status, 202, "{}", answer.text());
    let body = answer.json();
    let text = |field: &str| body[field].as_str().expect("a 202 has it").to_owned();
    Accepted { command_id: text("commandId"), token: text("consistencyToken") }
}

/// As a client does that is told to try again: a machine that is busy with other tests may stall for a moment.
pub(crate) async fn get(reader: &Client, path: &str) -> Answer {
    eventually(SOON, async || {
        let answer = reader.get(path).await;
        if answer.status == 503 { Err(answer.text()) } else { Ok(answer) }
    })
    .await
}

pub(crate) fn x_cache(answer: &Answer) -> &str {
    answer.headers.get("x-cache").unwrap_or_else(|| panic!("{}", answer.text())).to_str().expect("text")
}
