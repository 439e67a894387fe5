//! A running service beside the database that a [`Writer`] changes.

use std::path::PathBuf;
use std::time::Duration;

use query_service::{App, Config};
use serde_json::Value;
use shared::lifecycle::Shutdown;
use shared::token::ConsistencyToken;
use tempfile::TempDir;
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;
use tokio::task::JoinHandle;

use crate::writer::{Batch, Writer};

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) writer: Writer,
    pub(crate) shutdown: Shutdown,
    pub(crate) running: JoinHandle<anyhow::Result<()>>,
    pub(crate) folder: TempDir,
}

pub(crate) fn config(path: PathBuf) -> Config {
    Config {
        host: "127.0.0.1".to_owned(),
        port: 0,
        sqlite_path: Some(path),
        redis: None,
        cache_ttl: Duration::from_mins(5),
        cache_capacity: 1000,
        read_wait: Duration::from_secs(10),
        retention: Duration::from_hours(168),
    }
}

/// Serves `config` until the shutdown begins.
pub(crate) async fn serve(config: Config) -> (Client, Shutdown, JoinHandle<anyhow::Result<()>>) {
    let app = App::build(config).await.unwrap();
    let base = format!("http://{}", app.address());
    let shutdown = Shutdown::new();
    let running = tokio::spawn(app.run(shutdown.clone()));
    (Client::connect(base).await, shutdown, running)
}

pub(crate) async fn ready(client: &Client) {
    eventually(SOON, async || client.get("/health/ready").await.status == 200).await;
}

pub(crate) trait Having {
    /// Panics, showing the answer, unless it has this status.
    fn having(self, status: u16) -> Self;
}

impl Having for Answer {
    #[track_caller]
    fn having(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        let writer = Writer::create(&path);
        let mut config = config(path);
        change(&mut config);
        let (client, shutdown, running) = serve(config).await;
        ready(&client).await;
        Self { client, writer, shutdown, running, folder }
    }

    /// With PROD-001: 10 units, 2 of them reserved.
    pub(crate) async fn with_cable() -> Self {
        let mut world = Self::new().await;
        let token = world.writer.commit(|batch| {
            batch.item("PROD-001", "USB-C cable");
            batch.level("PROD-001", 10, 2);
        });
        world.followed(&token).await;
        world
    }

    /// Commits `changes` and waits until the service has followed them.
    pub(crate) async fn commit(&mut self, changes: impl FnOnce(&mut Batch<'_>)) {
        let token = self.writer.commit(changes);
        self.followed(&token).await;
    }

    pub(crate) async fn followed(&self, token: &ConsistencyToken) {
        self.client.get(&format!("/api/v1/inventory/items?token={token}")).await.having(200);
    }

    /// The body of a 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.client.get(&format!("/api/v1/{path}")).await.having(200).json()
    }

    /// The fields at fault and their codes, of a 422.
    pub(crate) async fn faults(&self, path: &str) -> Vec<(String, String)> {
        faults(&self.client.get(&format!("/api/v1/{path}")).await.having(422))
    }
}

pub(crate) fn faults(answer: &Answer) -> Vec<(String, String)> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect()
}

/// As [`World::faults`] tells one.
pub(crate) fn fault(field: &str, code: &str) -> (String, String) {
    (field.to_owned(), code.to_owned())
}
