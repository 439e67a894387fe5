//! The writer alone: messages as they come from the log, in batches of 4,096, durable; and what its deadlines cost. Only when
//! asked for by name.
//!
//! Beside it, in the same run, a raw loop executes the same statements on the same tables. Both must end with the same
//! rows, so that neither has done less.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use kafka::Record;
use listener_service::clock::{SimulatedTime, TimeSource};
use listener_service::incoming::Incoming;
use listener_service::lease::{Attempt, Candidate};
use listener_service::writer::{Surroundings, Writer};
use listener_service::{database, logs, schema};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ReservationId};
use shared::message::{Command, RequestEnvelope, fingerprint};
use shared::quantity::PositiveQuantity;
use shared::reservation::{Line, Lines, Ttl};
use shared::text::StoreId;
use shared::token::LogId;

use crate::bench::Bench;
use crate::floors::BATCH;
use crate::floors::sqlite;
use crate::floors::writer::{self as raw, ITEMS, RESERVATIONS, Rates, THIRD, TTL_SECONDS, item_of};
use crate::load::per_second;
use crate::row::Figures;
use crate::stock::{TRACEPARENT, creation, item};

const ROWS: [&str; 4] = ["reserve", "confirm", "cancel", "expire"];

/// Decided and committed by the writer, 1,000 items.
pub(crate) fn writer(bench: &Bench) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for _ in 0..bench.repeats() {
        let folder = Bench::folder()?;
        let ids: Vec<ReservationId> = (0..RESERVATIONS).map(|_| ReservationId::of(CommandId::fresh())).collect();
        let (path, floor) = (folder.path().join("ours.db"), folder.path().join("raw.db"));
        let ours = ours(&path, &ids)?;
        drop(Work::start(&floor)?);
        let raw = raw::rates(&floor, &ids, &raw::Lengths::of(&path)?)?;
        let (rows, floor_rows) = (sqlite::rows(&path)?, sqlite::rows(&floor)?);
        ensure!(rows == floor_rows, "the floor did something else: {rows:?} and {floor_rows:?}");
        for (row, (ours, raw)) in ROWS.into_iter().zip(ours.into_iter().zip(raw)) {
            figures.pair(row, ours, raw);
        }
    }
    Ok(figures)
}

fn ours(path: &Path, ids: &[ReservationId]) -> anyhow::Result<Rates> {
    let mut work = Work::start(path)?;
    let reserve = ids.iter().enumerate().map(|(n, &id)| (id, reserve(n))).collect::<Vec<_>>();
    let confirm = |&id: &ReservationId| (id, Command::ConfirmReservation { order_id: None, lines: None });
    let cancel = |&id: &ReservationId| (id, Command::ReleaseReservation {});
    let reserved = work.apply(reserve)?;
    let confirmed = work.apply(ids[..THIRD].iter().map(confirm).collect())?;
    let cancelled = work.apply(ids[THIRD..2 * THIRD].iter().map(cancel).collect())?;
    Ok([reserved, confirmed, cancelled, work.expire()?])
}

fn reserve(n: usize) -> Command {
    let quantity = PositiveQuantity::parse(1).expect("a quantity");
    let line = Line { item_id: item(item_of(n)), quantity };
    Command::Reserve {
        store_id: StoreId::main(),
        lines: Lines::parse([line]).expect("a line"),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::parse(TTL_SECONDS).expect("a time"),
    }
}

/// A writer, its clock, and where its log ends.
struct Work {
    writer: Writer,
    time: Arc<SimulatedTime>,
    next_offset: i64,
}

impl Work {
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
        let mut work = Self { writer, time, next_offset: 0 };
        let items: Vec<Incoming> = (0..ITEMS).map(|n| work.message(&creation(n))).collect();
        work.writer.apply(&items)?;
        Ok(work)
    }

    fn message(&mut self, request: &RequestEnvelope) -> Incoming {
        let offset = self.next_offset;
        self.next_offset += 1;
        let header = |name: &'static str, value: String| (name.into(), Some(Bytes::from(value)));
        Incoming::read(Record {
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
        })
    }

    /// Applies them all, and says how many a second.
    fn apply(&mut self, commands: Vec<(ReservationId, Command)>) -> anyhow::Result<f64> {
        let request = |(id, command)| request(AggregateId::Reservation(id), command);
        let messages: Vec<Incoming> = commands.into_iter().map(|command| self.message(&request(command))).collect();
        let started = Instant::now();
        let mut applied = 0;
        for batch in messages.chunks(BATCH) {
            applied += self.writer.apply(batch)?.counts.applied;
            self.writer.checkpoint(true);
        }
        let took = started.elapsed();
        ensure!(applied == messages.len() as u64, "{applied} of {} were applied", messages.len());
        Ok(per_second(applied, took))
    }

    /// Lets the deadlines pass, and says how many a second expire.
    fn expire(&mut self) -> anyhow::Result<f64> {
        self.time.pass(Duration::from_secs(TTL_SECONDS.unsigned_abs()));
        let started = Instant::now();
        let mut expired = 0;
        while self.writer.until_deadline().is_some_and(|left| left.is_zero()) {
            expired += self.writer.expire()?.counts.expired;
            self.writer.checkpoint(true);
        }
        let took = started.elapsed();
        ensure!(expired == THIRD as u64, "{expired} of {THIRD} expired");
        Ok(per_second(expired, took))
    }
}

fn request(of: AggregateId, command: Command) -> RequestEnvelope {
    let print = fingerprint(Some(&of), &command, None);
    RequestEnvelope::new(of, CommandId::fresh(), command, print, Timestamp::wall_clock())
}
