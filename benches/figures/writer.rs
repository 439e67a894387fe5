//! The writer alone: messages as they come from the log, in batches of 1024, durable; and what its deadlines cost.
//!
//! Beside it, in the same run, a raw loop executes the same statements on the same tables. Both must end with the same
//! rows, so that neither has done less.

mod raw;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use kafka::Record;
use listener_service::clock::{SimulatedTime, TimeSource};
use listener_service::lease::{Attempt, Candidate};
use listener_service::writer::{Surroundings, Writer};
use listener_service::{database, logs, schema};
use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, RequestEnvelope, fingerprint};
use shared::quantity::{PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, Ttl};
use shared::text::{Name, StoreId};
use shared::token::LogId;

use crate::http::per_second;
use crate::rows::{ITEMS, print, sku};

const BATCH: usize = 1024;
/// Of one unit of one of a thousand items each; a third of them is confirmed, one cancelled, and one expires.
const RESERVATIONS: usize = 90_000;
const THIRD: usize = RESERVATIONS / 3;
const ON_HAND: i64 = 900_000_000;
const TTL_SECONDS: i64 = 600;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A second, of each row.
type Rates = [f64; 4];
const ROWS: [&str; 4] = [
    "reserve: a reservation with a deadline",
    "confirm: a reservation of one line",
    "cancel: a reservation of one line",
    "expire: 500 reservations a transaction",
];

/// Decided and committed by the writer, 1,000 items.
pub(crate) fn rates(repeats: usize) -> anyhow::Result<()> {
    let mut pairs: [Vec<(f64, f64)>; 4] = Default::default();
    for _ in 0..repeats {
        let folder = tempfile::tempdir()?;
        let ids: Vec<ReservationId> = (0..RESERVATIONS).map(|_| ReservationId::of(CommandId::fresh())).collect();
        let (path, floor) = (folder.path().join("ours.db"), folder.path().join("raw.db"));
        let ours = ours(&path, &ids)?;
        drop(Bench::start(&floor)?);
        let raw = raw::rates(&floor, &ids, &raw::Lengths::of(&path)?)?;
        ensure!(rows(&path)? == rows(&floor)?, "{:?} are not {:?}", rows(&path)?, rows(&floor)?);
        for (pairs, pair) in pairs.iter_mut().zip(ours.into_iter().zip(raw)) {
            pairs.push(pair);
        }
    }
    for (row, pairs) in ROWS.iter().zip(&pairs) {
        print(row, "raw SQLite loop", pairs);
    }
    Ok(())
}

fn ours(path: &Path, ids: &[ReservationId]) -> anyhow::Result<Rates> {
    let mut bench = Bench::start(path)?;
    let reserve = ids.iter().enumerate().map(|(n, &id)| (id, reserve(n))).collect::<Vec<_>>();
    let confirm = |&id: &ReservationId| (id, Command::ConfirmReservation { order_id: None, lines: None });
    let cancel = |&id: &ReservationId| (id, Command::ReleaseReservation {});
    let reserved = bench.apply(reserve)?;
    let confirmed = bench.apply(ids[..THIRD].iter().map(confirm).collect())?;
    let cancelled = bench.apply(ids[THIRD..2 * THIRD].iter().map(cancel).collect())?;
    Ok([reserved, confirmed, cancelled, bench.expire()?])
}

fn reserve(n: usize) -> Command {
    let quantity = PositiveQuantity::parse(1).expect("a quantity");
    let line = Line { item_id: ItemId::of(&sku(item_of(n))), quantity };
    Command::Reserve {
        store_id: StoreId::main(),
        lines: Lines::parse([line]).expect("a line"),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::parse(TTL_SECONDS).expect("a time"),
    }
}

/// Which item the reservation of this number is of.
fn item_of(n: usize) -> u64 {
    n as u64 % ITEMS
}

/// A writer, its clock, and where its log ends.
struct Bench {
    writer: Writer,
    time: Arc<SimulatedTime>,
    next_offset: i64,
}

impl Bench {
    /// With the items in a new database.
    fn start(path: &Path) -> anyhow::Result<Self> {
        let mut connection = database::open(path)?;
        let Attempt::Taken(lease) = Candidate::new(Duration::from_secs(3)).attempt(&mut connection)? else {
            anyhow::bail!("a new database is held")
        };
        schema::migrate(&mut connection, path, lease)?;
        let log = logs::adopt(&mut connection, &LogId::cluster("bench"), None, Timestamp::wall_clock())?;
        let time = Arc::new(SimulatedTime::at(Timestamp::wall_clock()));
        let surroundings = Surroundings {
            topic: "inventory.commands".to_owned(),
            retention: Duration::from_hours(1),
            published: Arc::default(),
            time: TimeSource::Simulated(Arc::clone(&time)),
        };
        let writer = Writer::start(connection, lease, log, surroundings)?;
        let mut bench = Self { writer, time, next_offset: 0 };
        let items: Vec<Record> = (0..ITEMS).map(|n| bench.record(&creation(n))).collect();
        bench.writer.apply(&items)?;
        Ok(bench)
    }

    fn record(&mut self, request: &RequestEnvelope) -> Record {
        let offset = self.next_offset;
        self.next_offset += 1;
        let header = |name: &str, value: String| (name.to_owned(), Some(Bytes::from(value)));
        Record {
            partition: 0,
            offset,
            timestamp: None,
            key: Some(request.aggregate_id.to_string().into()),
            value: Some(serde_json::to_vec(request).expect("JSON").into()),
            headers: vec![
                header("event-type", request.event_type.to_owned()),
                header("event-id", request.event_id.to_string()),
                header("timestamp", request.occurred_at.to_string()),
                header("traceparent", TRACEPARENT.to_owned()),
                header("content-type", "application/json".to_owned()),
            ],
        }
    }

    /// Applies them all, and says how many a second.
    fn apply(&mut self, commands: Vec<(ReservationId, Command)>) -> anyhow::Result<f64> {
        let request = |(id, command)| request(AggregateId::Reservation(id), command);
        let records: Vec<Record> = commands.into_iter().map(|command| self.record(&request(command))).collect();
        let started = Instant::now();
        let mut applied = 0;
        for batch in records.chunks(BATCH) {
            applied += self.writer.apply(batch)?.counts.applied;
            self.writer.checkpoint();
        }
        let took = started.elapsed();
        ensure!(applied == records.len() as u64, "{applied} of {} were applied", records.len());
        Ok(per_second(applied, took))
    }

    /// Lets the deadlines pass, and says how many a second expire.
    fn expire(&mut self) -> anyhow::Result<f64> {
        self.time.pass(Duration::from_secs(TTL_SECONDS.unsigned_abs()));
        let started = Instant::now();
        let mut expired = 0;
        while self.writer.until_deadline().is_some_and(|left| left.is_zero()) {
            expired += self.writer.expire()?.counts.expired;
            self.writer.checkpoint();
        }
        let took = started.elapsed();
        ensure!(expired == THIRD as u64, "{expired} of {THIRD} expired");
        Ok(per_second(expired, took))
    }
}

fn creation(n: u64) -> RequestEnvelope {
    let (sku, name) = (sku(n), Name::parse("Thing").expect("a name"));
    let (item, quantity) = (ItemId::of(&sku), Quantity::parse(ON_HAND).expect("a quantity"));
    request(AggregateId::Item(item), Command::CreateItem { sku, fields: CatalogueFields::named(name), quantity })
}

fn request(of: AggregateId, command: Command) -> RequestEnvelope {
    let print = fingerprint(Some(&of), &command, None);
    RequestEnvelope::new(of, CommandId::fresh(), command, print, Timestamp::wall_clock())
}

/// What both must have in the end: everything but ids, times and texts.
fn rows(path: &Path) -> anyhow::Result<Vec<i64>> {
    let connection = Connection::open(path)?;
    let sums = [
        "SELECT count(*) FROM journal",
        "SELECT sum(sequence * length(event_type)) FROM journal",
        "SELECT sum(sequence) + 3 * sum(previous) + 5 * sum(jump) + 7 * sum(version) FROM movements",
        "SELECT sum(sequence * (quantity_change + 3 * reserved_change) + quantity + 5 * reserved) FROM movements",
        "SELECT sum(quantity) + 3 * sum(reserved) + 5 * sum(version) + 7 * sum(moved) FROM stock_levels",
        "SELECT sum(number) + 3 * sum(version) + 5 * sum(length(status)) + 7 * count(ended_at) FROM reservations",
        "SELECT sum(reservation) + 3 * sum(quantity) + 5 * sum(confirmed) + 7 * sum(released) FROM reservation_lines",
        "SELECT sum(sequence) + 3 * sum(version) + 5 * sum(length(type)) FROM outcomes",
        "SELECT applied + 3 * units + 5 * reserved FROM progress",
        "SELECT sum(next_offset) FROM logs",
    ];
    sums.into_iter().map(|sum| Ok(connection.query_row(sum, [], |row| row.get(0))?)).collect()
}
