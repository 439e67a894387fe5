//! A writer on a database of its own, fed by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kafka::Record;
use listener_service::clock::{SimulatedTime, TimeSource};
use listener_service::incoming::Incoming;
use listener_service::lease::{Attempt, Candidate, Lease};
use listener_service::published::Published;
use listener_service::writer::{ApplyError, Committed, Surroundings, Writer};
use listener_service::{database, logs, schema};
use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId, ItemId};
use shared::message::{CatalogueFields, Command, RequestEnvelope, fingerprint};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::text::{Name, Sku, StoreId};
use shared::token::LogId;
use testkit::checker::{self, History, Origin, Sent};

pub(crate) const RETENTION: Duration = Duration::from_hours(1);

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) writer: Writer,
    pub(crate) log: LogId,
    next_offset: i64,
    history: History,
    time: Arc<SimulatedTime>,
    /// What its publisher would tell it.
    pub(crate) published: Arc<Published>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = LogId::cluster("test");
        let time = Arc::new(SimulatedTime::at(Timestamp::wall_clock()));
        let published = Arc::default();
        let writer = start(&folder.path().join("inventory.db"), &log, Arc::clone(&time), Arc::clone(&published));
        let history = History { complete: true, ..History::default() };
        Self { folder, writer, log, next_offset: 0, history, time, published }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("inventory.db")
    }

    /// As if the process had ended here and another had started.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same, with something done to the folder while nobody had the database open.
    pub(crate) fn restart_after(self, between: impl FnOnce(&std::path::Path)) -> Self {
        let Self { folder, writer, log, next_offset, history, time, .. } = self;
        drop(writer);
        between(folder.path());
        let published = Arc::default();
        let writer = start(&folder.path().join("inventory.db"), &log, Arc::clone(&time), Arc::clone(&published));
        Self { folder, writer, log, next_offset, history, time, published }
    }

    /// The same, after the wall clock was set by so many milliseconds.
    pub(crate) fn restart_at(self, step: i64) -> Self {
        let time = Arc::clone(&self.time);
        self.restart_after(|_| time.step_wall_clock(step))
    }

    /// The message of a command, at the end of the log.
    pub(crate) fn message(&mut self, request: &RequestEnvelope) -> Record {
        self.history.commands.push(Sent {
            command_id: Some(request.command_id),
            of: request.aggregate_id.clone(),
            expected_type: request.event_type.to_owned(),
            accepted: true,
            unknown: false,
        });
        let key = request.aggregate_id.to_string();
        self.raw(Some(key.as_bytes()), Some(&serde_json::to_vec(request).expect("JSON")))
    }

    /// Any bytes, at the end of the log.
    pub(crate) fn raw(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
        let offset = self.next_offset;
        self.next_offset += 1;
        let bytes = |part: &[u8]| bytes::Bytes::copy_from_slice(part);
        Record {
            partition: 0,
            offset,
            timestamp: None,
            key: key.map(bytes),
            value: value.map(bytes),
            headers: Vec::new(),
        }
    }

    /// The writer's clock goes on by so much.
    pub(crate) fn pass(&self, time: Duration) {
        self.time.pass(time);
    }

    /// The writer's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.wall_clock()
    }

    /// Lets everything expire whose deadline has passed.
    pub(crate) fn sweep(&mut self) {
        while self.writer.until_deadline().is_some_and(|left| left.is_zero()) {
            self.writer.expire().expect("swept");
        }
    }

    /// `record` must end as a dead letter.
    pub(crate) fn expect_dead(&mut self, record: &Record) {
        let origin = Origin { log: self.log.as_str().to_owned(), partition: 0, offset: record.offset };
        self.history.poison.push(origin);
    }

    pub(crate) fn apply(&mut self, records: &[Record]) -> Result<Committed, ApplyError> {
        let messages: Vec<Incoming> = records.iter().cloned().map(Incoming::read).collect();
        self.writer.apply(&messages)
    }

    /// Applies one command and tells how it ended.
    pub(crate) fn outcome(&mut self, request: &RequestEnvelope) -> String {
        let record = self.message(request);
        self.apply(&[record]).expect("applied");
        self.ending(request.command_id)
    }

    pub(crate) fn ending(&self, command: CommandId) -> String {
        self.writer
            .connection()
            .query_row(
                "SELECT status || coalesce(' ' || code, '') FROM outcomes WHERE command_id = ?1",
                [command.uuid()],
                |row| row.get(0),
            )
            .expect("it has an outcome")
    }

    pub(crate) fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.writer.connection().query_row(&sql, [], |row| row.get(0)).expect("counted")
    }

    /// Quantity, reserved and version of an item at `main`.
    pub(crate) fn level(&self, item: ItemId) -> (i64, i64, i64) {
        self.writer
            .connection()
            .query_row(
                "SELECT quantity, reserved, version FROM stock_levels WHERE item_id = ?1",
                [item.uuid()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .expect("it has a level")
    }

    /// A second connection, as nobody should have one.
    pub(crate) fn intruder(&self) -> Connection {
        Connection::open(self.path()).expect("opened")
    }

    /// Every invariant holds, for all that was sent.
    pub(crate) fn check(&self) {
        checker::check(&self.path(), &self.history).assert_clean();
    }
}

fn start(path: &std::path::Path, log: &LogId, time: Arc<SimulatedTime>, published: Arc<Published>) -> Writer {
    let mut connection = database::open(path).expect("opened");
    let lease = lease(&mut connection);
    schema::migrate(&mut connection, path, lease).expect("migrated");
    let log = logs::adopt(&mut connection, log, None, Timestamp::wall_clock()).expect("adopted");
    let surroundings = Surroundings {
        topic: "inventory.commands".to_owned(),
        retention: RETENTION,
        published,
        time: TimeSource::Simulated(time),
    };
    Writer::start(connection, lease, log, surroundings).expect("started")
}

/// The holder before was this same process, so its lease is followed as one that stood still.
pub(crate) fn lease(connection: &mut Connection) -> Lease {
    let mut candidate = Candidate::new(Duration::ZERO);
    loop {
        if let Attempt::Taken(lease) = candidate.attempt(connection).expect("attempt") {
            return lease;
        }
    }
}

pub(crate) fn item(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).expect("a SKU"))
}

pub(crate) fn request(item: ItemId, command: Command) -> RequestEnvelope {
    request_of(AggregateId::Item(item), command)
}

pub(crate) fn request_of(of: AggregateId, command: Command) -> RequestEnvelope {
    let print = fingerprint(Some(&of), &command, None);
    RequestEnvelope::new(of, CommandId::fresh(), command, print, Timestamp::wall_clock())
}

/// The same, under an idempotency key.
pub(crate) fn keyed(key: &str, item: ItemId, command: Command) -> RequestEnvelope {
    let id = IdempotencyId::of("anonymous", "POST", "/", key);
    let mut request = request(item, command);
    request.idempotency_id = Some(id);
    request.command_id = CommandId::of(id, &request.fingerprint);
    request
}

pub(crate) fn create(sku: &str, quantity: i64) -> RequestEnvelope {
    let command = Command::CreateItem {
        sku: Sku::parse(sku).expect("a SKU"),
        fields: CatalogueFields::named(Name::parse("A thing").expect("a name")),
        quantity: Quantity::parse(quantity).expect("a quantity"),
    };
    request(item(sku), command)
}

pub(crate) fn adjust(units: i64) -> Command {
    let quantity = Adjustment::parse(units).expect("an adjustment");
    Command::AdjustStock { store_id: StoreId::main(), quantity, reason: None, reference: None }
}

pub(crate) fn reserve(units: i64) -> Command {
    Command::ReserveStock { store_id: StoreId::main(), quantity: PositiveQuantity::parse(units).expect("a quantity") }
}
