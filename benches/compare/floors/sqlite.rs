//! The writer's statements and nothing else: a raw loop over SQLite.
//!
//! Fair, for it begins with a copy of the same database, so with the same tables and indexes; it has the same batches,
//! durability and checkpoints, reads and writes the same rows in the same order, and appends as many bytes. Both must end
//! with the same rows ([`rows`]), so that neither has done less. It has no message to read, nothing to decide, no fact to
//! build, no id to derive and no follower.

mod reservation;

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use listener_service::database;
use rusqlite::{Connection, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, ReservationId};

use self::reservation::{Asked, Loop, Statements};
use super::statements as sql;
use super::{BATCH, CHECKPOINT_PAGES};
use crate::load::per_second;
use crate::stock::item;

/// Applies a reservation of each of these items, in this order, and says how many a second. `ours` is the database that the
/// listener made of the same ones: from there it has the length of the messages.
pub(crate) fn reserve(path: &Path, ours: &Path, items: &[usize]) -> anyhow::Result<f64> {
    let connection = database::open(path)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let asked: Vec<Asked> = items.iter().map(|&n| asked(n)).collect();
    let mut work = start(&connection, &lengths(ours)?)?;
    let mut batch = Batch::of(&connection)?;
    let started = Instant::now();
    for chunk in asked.chunks(BATCH) {
        batch.begin()?;
        for asked in chunk {
            work.reserve(asked)?;
        }
        batch.commit(&work, chunk.len())?;
    }
    Ok(per_second(items.len() as u64, started.elapsed()))
}

/// What must be equal in two databases that went through the same.
pub(crate) fn rows(path: &Path) -> anyhow::Result<Vec<Option<i64>>> {
    let connection = Connection::open(path)?;
    sql::SUMS.into_iter().map(|sum| Ok(connection.query_row(sum, [], |row| row.get(0))?)).collect()
}

/// Both ids are ordered by time, as those of ours.
fn asked(n: usize) -> Asked {
    let command = CommandId::fresh();
    Asked { item: item(n).uuid(), command: command.uuid(), reservation: ReservationId::of(command).uuid() }
}

/// How long ours are: a `ReservationCreated` and a `StockReserved`.
pub(crate) fn lengths_of_two(path: &Path) -> anyhow::Result<(usize, usize)> {
    let lengths = lengths(path)?;
    let of = |event: &str| lengths.get(event).copied().with_context(|| format!("there is no {event}"));
    Ok((of("ReservationCreated")?, of("StockReserved")?))
}

fn lengths(path: &Path) -> anyhow::Result<HashMap<String, usize>> {
    let connection = Connection::open(path)?;
    let mut statement = connection.prepare(sql::LENGTHS)?;
    let lengths = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(lengths.collect::<Result<_, _>>()?)
}

fn start<'c>(connection: &'c Connection, lengths: &HashMap<String, usize>) -> anyhow::Result<Loop<'c>> {
    let message = |event: &str| "x".repeat(lengths.get(event).copied().unwrap_or_default());
    let log = "SELECT log, coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL";
    let (log, next_offset) = connection.query_row(log, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Loop {
        statements: Statements::of(connection)?,
        levels: HashMap::new(),
        log,
        next_offset,
        sequence: connection.query_row("SELECT max(sequence) FROM journal", [], |row| row.get(0))?,
        now: Timestamp::wall_clock().millis(),
        created: message("ReservationCreated"),
        reserved: message("StockReserved"),
    })
}

/// What a transaction does besides its commands.
struct Batch<'c> {
    begin: rusqlite::Statement<'c>,
    beat: rusqlite::Statement<'c>,
    advance: rusqlite::Statement<'c>,
    count: rusqlite::Statement<'c>,
    commit: rusqlite::Statement<'c>,
    epoch: i64,
    published: i64,
    next_offset: i64,
}

impl<'c> Batch<'c> {
    fn of(connection: &'c Connection) -> anyhow::Result<Self> {
        Ok(Self {
            begin: connection.prepare(sql::BEGIN)?,
            beat: connection.prepare(sql::BEAT)?,
            advance: connection.prepare(sql::ADVANCE)?,
            count: connection.prepare(sql::COUNT)?,
            commit: connection.prepare(sql::COMMIT)?,
            epoch: connection.query_row("SELECT epoch FROM lease", [], |row| row.get(0))?,
            published: connection.query_row("SELECT published FROM progress", [], |row| row.get(0))?,
            next_offset: connection.query_row(sql::POSITION, [], |row| row.get(0))?,
        })
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.begin.execute([])?;
        self.beat.execute([self.epoch]).map(drop)
    }

    fn commit(&mut self, work: &Loop<'_>, count: usize) -> rusqlite::Result<()> {
        self.advance.execute(params![work.next_offset, work.log, self.next_offset])?;
        self.next_offset = work.next_offset;
        self.count.execute(params![0, count, 0, 0, self.published, work.now, 0, count])?;
        self.commit.execute([]).map(drop)
    }
}
