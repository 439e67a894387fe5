//! The floor of the writer alone, for reservations with a deadline and for how they end: its statements, and nothing else.
//!
//! Fair, for it has the same tables, indexes, batches, durability and checkpoints, reads and writes the same rows in the
//! same order, and appends as many bytes; it has no message to read, nothing to decide, no fact to build and no id to derive.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use listener_service::database;
use rusqlite::types::Null;
use rusqlite::{Connection, Params, Row, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, ReservationId};
use uuid::Uuid;

use super::statements as sql;
use super::{BATCH, CHECKPOINT_PAGES};
use crate::load::per_second;
use crate::stock::{ON_HAND, TRACEPARENT, item};

pub(crate) const ITEMS: usize = 1000;
/// Of one unit of one of the items each; a third of them is confirmed, one cancelled, and one expires.
pub(crate) const RESERVATIONS: usize = 90_000;
pub(crate) const THIRD: usize = RESERVATIONS / 3;
pub(crate) const TTL_SECONDS: i64 = 600;
/// A second: reserved, confirmed, cancelled, expired.
pub(crate) type Rates = [f64; 4];

/// As many as the writer lets expire in one transaction.
const EXPIRE_AT_ONCE: usize = 500;

/// How long the writer's messages are, by event type.
pub(crate) struct Lengths(HashMap<String, usize>);

impl Lengths {
    /// As in the writer's database, after it has run.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        let mut statement =
            connection.prepare("SELECT event_type, sum(length(message)) / count(*) FROM journal GROUP BY 1")?;
        let lengths = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self(lengths.collect::<Result<_, _>>()?))
    }
}

/// Reserves, confirms, cancels and lets expire as the writer did, in a database with the items in it.
pub(crate) fn rates(path: &Path, ids: &[ReservationId], lengths: &Lengths) -> anyhow::Result<Rates> {
    let connection = database::open(path)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let mut raw = Raw::start(&connection, ids, lengths)?;
    let reserved = raw.timed(&(0..RESERVATIONS).collect::<Vec<_>>(), Raw::reserve)?;
    let confirmed = raw.timed(&(0..THIRD).collect::<Vec<_>>(), Raw::confirm)?;
    let cancelled = raw.timed(&(THIRD..2 * THIRD).collect::<Vec<_>>(), Raw::cancel)?;
    Ok([reserved, confirmed, cancelled, raw.expire()?])
}

/// A level, and its movements so far: the place of each in the journal, and how deep it jumps to.
struct Level {
    item: Uuid,
    quantity: i64,
    reserved: i64,
    chain: Vec<(i64, usize)>,
}

/// What changes with a step.
#[derive(Clone, Copy)]
struct Step {
    event_type: &'static str,
    quantity: i64,
    reserved: i64,
    fact_index: i64,
}

const HELD: Step = Step { event_type: "StockReserved", quantity: 0, reserved: 1, fact_index: 1 };
const ISSUED: Step = Step { event_type: "StockIssued", quantity: -1, reserved: -1, fact_index: 0 };
const FREED: Step = Step { event_type: "StockReleased", quantity: 0, reserved: -1, fact_index: 0 };

/// How a reservation ends.
#[derive(Clone, Copy)]
struct End {
    event_type: &'static str,
    status: &'static str,
    confirmed: i64,
    fact_index: i64,
}

const CONFIRMED: End = End { event_type: "ReservationConfirmed", status: "confirmed", confirmed: 1, fact_index: 1 };
const CANCELLED: End = End { event_type: "ReservationReleased", status: "released", confirmed: 0, fact_index: 1 };
const EXPIRED: End = End { event_type: "ReservationExpired", status: "expired", confirmed: 0, fact_index: 0 };

struct Raw<'a> {
    connection: &'a Connection,
    reservations: Vec<Uuid>,
    numbers: HashMap<i64, usize>,
    levels: Vec<Level>,
    messages: HashMap<&'a str, String>,
    sequence: i64,
    next_offset: i64,
    now: i64,
    deadline: i64,
}

impl<'a> Raw<'a> {
    fn start(connection: &'a Connection, ids: &[ReservationId], lengths: &'a Lengths) -> anyhow::Result<Self> {
        let find = "SELECT item_id, moved FROM stock_levels WHERE item_id = ?1";
        let level = |n| {
            connection.query_row(find, [item(n).uuid()], |row| {
                Ok(Level { item: row.get(0)?, quantity: ON_HAND, reserved: 0, chain: vec![(row.get(1)?, 0)] })
            })
        };
        let now = Timestamp::wall_clock().millis();
        let messages = lengths.0.iter().map(|(event, &length)| (event.as_str(), "x".repeat(length)));
        Ok(Self {
            connection,
            reservations: ids.iter().map(|id| id.uuid()).collect(),
            numbers: HashMap::with_capacity(ids.len()),
            levels: (0..ITEMS).map(level).collect::<Result<_, _>>()?,
            messages: messages.collect(),
            sequence: connection.query_row("SELECT max(sequence) FROM journal", [], |row| row.get(0))?,
            next_offset: connection.query_row("SELECT next_offset FROM logs", [], |row| row.get(0))?,
            now,
            deadline: now + TTL_SECONDS * 1000,
        })
    }

    /// One batch after another, and how many a second.
    fn timed(
        &mut self,
        reservations: &[usize],
        apply: fn(&mut Self, usize, Uuid) -> rusqlite::Result<()>,
    ) -> anyhow::Result<f64> {
        let commands: Vec<Uuid> = reservations.iter().map(|_| CommandId::fresh().uuid()).collect();
        let started = Instant::now();
        let mut commands = commands.chunks(BATCH);
        for batch in reservations.chunks(BATCH) {
            let before = self.levels.iter().map(|level| (level.quantity, level.reserved)).fold((0, 0), sum);
            self.run("BEGIN IMMEDIATE", [])?;
            self.run(sql::BEAT, [1])?;
            for (&reservation, &command) in batch.iter().zip(commands.next().unwrap_or_default()) {
                self.connection.prepare_cached(sql::IS_KNOWN)?.exists([command])?;
                apply(self, reservation, command)?;
                self.next_offset += 1;
            }
            let from = self.next_offset - i64::try_from(batch.len())?;
            self.run(sql::ADVANCE, params![self.next_offset, 1, from])?;
            self.count(batch.len(), before)?;
        }
        Ok(per_second(reservations.len() as u64, started.elapsed()))
    }

    fn expire(&mut self) -> anyhow::Result<f64> {
        self.now = self.deadline;
        let started = Instant::now();
        let mut expired = 0;
        loop {
            let before = self.levels.iter().map(|level| (level.quantity, level.reserved)).fold((0, 0), sum);
            self.run("BEGIN IMMEDIATE", [])?;
            self.run(sql::BEAT, [1])?;
            let due = self.due()?;
            for &number in &due {
                self.look(sql::BY_NUMBER, [number], 12)?;
                self.look(sql::LINES, [number], 5)?;
            }
            for &number in &due {
                let reservation = self.numbers[&number];
                self.end(reservation, None, EXPIRED)?;
                self.step(reservation, None, Step { fact_index: 1, ..FREED })?;
            }
            self.count(0, before)?;
            expired += due.len() as u64;
            if due.len() < EXPIRE_AT_ONCE || expired == THIRD as u64 {
                return Ok(per_second(expired, started.elapsed()));
            }
        }
    }

    fn due(&self) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.connection.prepare_cached(sql::DUE)?;
        statement.query_map(params![self.now, EXPIRE_AT_ONCE], |row| row.get(0))?.collect()
    }

    /// The last statements of a transaction.
    fn count(&self, applied: usize, before: (i64, i64)) -> rusqlite::Result<()> {
        let after = self.levels.iter().map(|level| (level.quantity, level.reserved)).fold((0, 0), sum);
        let (units, reserved) = (after.0 - before.0, after.1 - before.1);
        self.run(sql::COUNT, params![0, applied, 0, 0, 0, self.now, units, reserved])?;
        if applied == 0 {
            self.look(sql::NEXT_DEADLINE, [], 1)?;
        }
        self.run("COMMIT", [])
    }

    fn reserve(&mut self, reservation: usize, command: Uuid) -> rusqlite::Result<()> {
        let id = self.reservations[reservation];
        self.look(sql::FIND, [id], 12)?;
        self.append("ReservationCreated", 1, id, Some(command), 0)?;
        let number = self.sequence;
        self.numbers.insert(number, reservation);
        self.run(
            sql::INSERT,
            params![number, id, "main", Null, Null, false, "pending", self.now, self.deadline, id, Null],
        )?;
        let item = self.levels[item_of(reservation)].item;
        self.run(sql::INSERT_LINE, params![number, 0, item, "main", false, 1, 0, 0])?;
        self.step(reservation, Some(command), HELD)?;
        self.record(id, command, "ReservationRequested", 1)
    }

    fn confirm(&mut self, reservation: usize, command: Uuid) -> rusqlite::Result<()> {
        self.finish(reservation, command, ISSUED, CONFIRMED, "ReservationConfirmationRequested")
    }

    fn cancel(&mut self, reservation: usize, command: Uuid) -> rusqlite::Result<()> {
        self.finish(reservation, command, FREED, CANCELLED, "ReservationReleaseRequested")
    }

    fn finish(
        &mut self,
        reservation: usize,
        command: Uuid,
        step: Step,
        end: End,
        request: &str,
    ) -> rusqlite::Result<()> {
        let id = self.reservations[reservation];
        let number = self.look(sql::FIND, [id], 12)?;
        self.look(sql::LINES, [number], 5)?;
        self.step(reservation, Some(command), step)?;
        self.end(reservation, Some(command), end)?;
        self.record(id, command, request, 2)
    }

    fn end(&mut self, reservation: usize, command: Option<Uuid>, end: End) -> rusqlite::Result<()> {
        let id = self.reservations[reservation];
        self.append(end.event_type, 1, id, command, end.fact_index)?;
        let values = params![id, 2, Null, end.status, self.deadline, Null, self.now];
        self.run(sql::UPDATE, values)?;
        self.run(sql::UPDATE_LINE, params![id, 0, end.confirmed, 1 - end.confirmed])
    }

    fn store_level(&self, level: &Level, version: usize, before: i64) -> rusqlite::Result<()> {
        let (now, sequence, is_reserved) = (self.now, self.sequence, level.reserved > 0);
        let (quantity, reserved) = (level.quantity, level.reserved);
        let values =
            params![level.item, "main", quantity, reserved, version, now, Null, Null, sequence, false, is_reserved];
        if is_reserved == (before > 0) {
            self.run(sql::UPDATE_LEVEL, &values[..9])
        } else {
            self.run(sql::MARK_LEVEL, values)
        }
    }

    /// A step of the level, with its fact and its movement.
    fn step(&mut self, reservation: usize, command: Option<Uuid>, step: Step) -> rusqlite::Result<()> {
        let place = item_of(reservation);
        self.append(step.event_type, 0, self.levels[place].item, command, step.fact_index)?;
        let level = &mut self.levels[place];
        level.quantity += step.quantity;
        level.reserved += step.reserved;
        let version = level.chain.len() + 1;
        let level = &self.levels[place];
        self.store_level(level, version, level.reserved - step.reserved)?;
        let (previous, jump) = self.back(level)?;
        let reserved = params![
            self.sequence,
            self.now,
            step.event_type,
            level.item,
            "main",
            step.quantity,
            step.reserved,
            level.quantity,
            level.reserved,
            version,
            previous,
            level.chain[jump].0,
            Null,
            Null,
            if command.is_some() { "anonymous" } else { "system" },
            Null,
            self.reservations[reservation],
            command,
        ];
        self.run(sql::MOVE, reserved)?;
        self.levels[place].chain.push((self.sequence, jump));
        Ok(())
    }

    /// The last movement, and how deep a new one jumps to (Myers 1983), which is read where the writer reads it.
    fn back(&self, level: &Level) -> rusqlite::Result<(i64, usize)> {
        let last = level.chain.len() - 1;
        let (previous, first) = level.chain[last];
        let second = level.chain[first].1;
        if last - first == first - second && last > 0 {
            self.look(sql::JUMP, [level.chain[first].0], 1)?;
            return Ok((previous, second));
        }
        Ok((previous, last))
    }

    fn append(
        &mut self,
        event_type: &str,
        aggregate: i64,
        of: Uuid,
        command: Option<Uuid>,
        fact_index: i64,
    ) -> rusqlite::Result<()> {
        self.sequence += 1;
        let traceparent = command.map(|_| TRACEPARENT);
        let message = &self.messages[event_type];
        self.run(
            sql::APPEND,
            params![
                self.sequence,
                1,
                event_type,
                aggregate,
                of,
                command,
                fact_index,
                1,
                self.next_offset,
                self.now,
                traceparent,
                message
            ],
        )
    }

    fn record(&self, id: Uuid, command: Uuid, request: &str, version: i64) -> rusqlite::Result<()> {
        let values =
            params![command, "applied", request, 1, id, version, self.sequence, self.now, Null, Null, Null, Null];
        self.run(sql::RECORD, values)
    }

    fn run(&self, statement: &str, values: impl Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute(values).map(drop)
    }

    /// Reads every column of every row, and gives the first number.
    fn look(&self, statement: &str, values: impl Params, columns: usize) -> rusqlite::Result<i64> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let mut rows = statement.query(values)?;
        let mut number = 0;
        while let Some(row) = rows.next()? {
            number = row.get_ref(0)?.as_i64().unwrap_or(number);
            read(row, columns)?;
        }
        Ok(number)
    }
}

fn read(row: &Row<'_>, columns: usize) -> rusqlite::Result<()> {
    (1..columns).try_for_each(|column| row.get_ref(column).map(drop))
}

/// Which item the reservation of this number is of.
pub(crate) fn item_of(reservation: usize) -> usize {
    reservation % ITEMS
}

fn sum(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    (a.0 + b.0, a.1 + b.1)
}
