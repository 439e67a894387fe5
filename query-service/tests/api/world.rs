//! A running service, and a writer that changes its database as listener-service does: state, journal, outcome and
//! position in one transaction.

use std::path::{Path, PathBuf};
use std::time::Duration;

use query_service::{App, Config};
use rusqlite::{Connection, OptionalExtension, Transaction};
use shared::id::{CommandId, ItemId};
use shared::lifecycle::Shutdown;
use shared::text::Sku;
use shared::token::{ConsistencyToken, LogId};
use tempfile::TempDir;
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;
use tokio::task::JoinHandle;

const SCHEMA: &str = include_str!("../../../listener-service/src/schema/0001_initial.sql");
pub(crate) const LOG: &str = "log-1";
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) writer: Writer,
    pub(crate) shutdown: Shutdown,
    pub(crate) running: JoinHandle<anyhow::Result<()>>,
    _folder: TempDir,
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
        Self { client, writer, shutdown, running, _folder: folder }
    }

    /// With PROD-001: 10 units, 2 of them reserved.
    pub(crate) async fn with_cable() -> Self {
        let mut world = Self::new().await;
        let token = world.writer.commit(|batch| {
            batch.item("PROD-001", "USB-C cable");
            batch.level("PROD-001", 10, 2);
        });
        world.client.get(&format!("/api/v1/inventory/items?token={token}")).await.having(200);
        world
    }
}

pub(crate) struct Writer {
    connection: Connection,
    offset: i64,
}

pub(crate) struct Batch<'a> {
    transaction: Transaction<'a>,
    offset: i64,
    /// Of the journal entries that follow.
    pub(crate) command: CommandId,
}

pub(crate) fn id(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).unwrap())
}

pub(crate) fn token(log: &str, offset: i64) -> ConsistencyToken {
    ConsistencyToken { log: LogId::cluster(log), offset }
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, ?1, 0)", [LOG]).unwrap();
        Self { connection, offset: 0 }
    }

    /// Commits `changes` as what one message of the log caused; gives its token.
    pub(crate) fn commit(&mut self, changes: impl FnOnce(&mut Batch<'_>)) -> ConsistencyToken {
        let transaction = self.connection.transaction().unwrap();
        let mut batch = Batch { transaction, offset: self.offset, command: CommandId::fresh() };
        changes(&mut batch);
        batch.execute("UPDATE logs SET next_offset = ?1 WHERE log = 1", [self.offset + 1]);
        batch.transaction.commit().unwrap();
        self.offset += 1;
        token(LOG, self.offset - 1)
    }

    /// The token of the next commit.
    pub(crate) fn next_token(&self) -> ConsistencyToken {
        token(LOG, self.offset)
    }
}

impl Batch<'_> {
    pub(crate) fn execute(&self, sql: &str, parameters: impl rusqlite::Params) {
        self.transaction.prepare_cached(sql).unwrap().execute(parameters).unwrap();
    }

    pub(crate) fn sequence(&self) -> i64 {
        self.transaction.query_row("SELECT coalesce(max(sequence), 0) FROM journal", [], |row| row.get(0)).unwrap()
    }

    fn journal(&self, event_type: &str, item: ItemId) -> i64 {
        let sequence = self.sequence() + 1;
        self.execute(
            "INSERT INTO journal (sequence, stream, event_type, item_id, command_id, fact_index, log, log_offset,
                                  occurred_at, message)
             VALUES (?1, 1, ?2, ?3, ?4, 0, 1, ?5, ?6, '{}')",
            (sequence, event_type, item.uuid().as_bytes(), self.command.uuid().as_bytes(), self.offset, time(sequence)),
        );
        time(sequence)
    }

    /// Creates or updates it.
    pub(crate) fn item(&mut self, sku: &str, name: &str) {
        let now = self.journal("InventoryItemCreated", id(sku));
        self.execute(
            "INSERT INTO items (item_id, sku, name, description, version, deleted, created_at, updated_at)
             VALUES (?1, ?2, ?3, NULL, 1, 0, ?4, ?4)
             ON CONFLICT (item_id) DO UPDATE SET name = ?3, version = version + 1, deleted = 0, updated_at = ?4",
            (id(sku).uuid().as_bytes(), sku, name, now),
        );
        self.execute("DELETE FROM item_terms WHERE item_id = ?1", [id(sku).uuid().as_bytes()]);
        for term in shared::search::terms(sku, name) {
            self.execute("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)", (term, id(sku).uuid().as_bytes()));
        }
    }

    pub(crate) fn level(&mut self, sku: &str, quantity: i64, reserved: i64) {
        self.level_at(sku, "main", quantity, reserved);
    }

    pub(crate) fn level_at(&mut self, sku: &str, store: &str, quantity: i64, reserved: i64) {
        let now = self.journal("StockAdjusted", id(sku));
        self.execute(
            "INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at)
             VALUES (?1, ?2, ?3, ?4, 1, ?5)
             ON CONFLICT DO UPDATE SET quantity = ?3, reserved = ?4, version = version + 1, updated_at = ?5",
            (id(sku).uuid().as_bytes(), store, quantity, reserved, now),
        );
    }

    pub(crate) fn delete(&mut self, sku: &str) {
        let now = self.journal("InventoryItemDeleted", id(sku));
        let sql = "UPDATE items SET deleted = 1, version = version + 1, updated_at = ?2 WHERE item_id = ?1";
        self.execute(sql, (id(sku).uuid().as_bytes(), now));
        self.execute("DELETE FROM item_terms WHERE item_id = ?1", [id(sku).uuid().as_bytes()]);
    }

    /// The outcome of `self.command`, after its journal entries.
    pub(crate) fn outcome(&mut self, status: &str, kind: &str, sku: &str) {
        let sequence = self.sequence();
        let is_applied = status == "applied";
        let version: Option<i64> = self
            .transaction
            .query_row("SELECT version FROM items WHERE item_id = ?1", [id(sku).uuid().as_bytes()], |row| row.get(0))
            .optional()
            .unwrap();
        self.execute(
            "INSERT INTO outcomes (command_id, status, type, item_id, version, sequence, applied_at, code, detail,
                                   dead_letter_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
                self.command.uuid().as_bytes(),
                status,
                kind,
                id(sku).uuid().as_bytes(),
                version.filter(|_| is_applied),
                sequence,
                time(sequence),
                (!is_applied).then_some("INSUFFICIENT_STOCK"),
                (!is_applied).then_some("available 8, requested 9"),
                (status == "dead_lettered").then(|| id(sku).uuid().into_bytes()),
            ),
        );
    }

    pub(crate) fn rejection(&mut self, sku: &str) {
        self.journal("CommandRejected", id(sku));
        self.outcome("rejected", "StockReservationRequested", sku);
    }
}

fn time(sequence: i64) -> i64 {
    1_763_806_200_000 + sequence
}
