//! The tables, as they are.

mod state;

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use shared::aggregate::{AggregateId, AggregateKind};
use shared::id::{CommandId, EventId, Id, ItemId};
use uuid::Uuid;

use super::Report;
use super::fact::Message;
use super::step::{Cause, Fact};

pub(super) use state::{Item, Key, Level, Line, Movement, Reservation, State, Store};

pub(super) struct Database {
    /// In the order of its sequence.
    pub journal: Vec<Entry>,
    pub outcomes: BTreeMap<CommandId, Outcome>,
    pub dead_letters: Vec<DeadLetter>,
    pub logs: BTreeMap<i64, Log>,
    pub state: State,
    pub terms: BTreeMap<ItemId, Vec<String>>,
    /// What names an item in the full-text index.
    pub numbers: BTreeMap<ItemId, i64>,
    /// By currency, as written.
    pub stock_value: BTreeMap<String, String>,
    pub progress: Progress,
}

pub(super) struct Entry {
    pub sequence: i64,
    /// What it is about; none for a dead letter.
    pub of: Option<AggregateId>,
    pub command_id: Option<CommandId>,
    pub fact_index: u32,
    pub log: i64,
    pub log_offset: i64,
    pub occurred_at: i64,
    /// `None`: a dead letter.
    pub message: Option<Message>,
}

pub(super) struct Outcome {
    pub status: String,
    pub request_type: String,
    /// What was asked of; `None` if the columns are the id of nothing.
    pub of: Option<AggregateId>,
    pub version: Option<i64>,
    pub sequence: i64,
    pub code: Option<String>,
    pub dead_letter_id: Option<Uuid>,
    pub idempotency_id: Option<Uuid>,
}

pub(super) struct DeadLetter {
    pub id: Uuid,
    pub sequence: i64,
    pub command_id: Option<CommandId>,
    pub partition: i32,
    pub offset: i64,
    pub log: i64,
}

pub(super) struct Log {
    pub id: String,
    pub next_offset: Option<i64>,
}

pub(super) struct Progress {
    pub items: usize,
    pub applied: usize,
    pub rejected: usize,
    pub dead_lettered: usize,
    pub published: i64,
    pub purged: i64,
    pub last_time: i64,
    pub units: i64,
    pub reserved: i64,
}

/// What `PRAGMA integrity_check` and `foreign_key_check` find. On a read-only connection SQLite does not look at CHECKs;
/// what they say of levels, items and positions is checked from the journal.
pub(super) fn integrity_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found: Vec<String> = all(connection, "PRAGMA integrity_check", |row| row.get(0))?;
    found.retain(|line| line != "ok");
    let orphans = all(connection, "PRAGMA foreign_key_check", |row| {
        Ok(format!("a row of {} refers to nothing in {}", row.get::<_, String>(0)?, row.get::<_, String>(2)?))
    })?;
    found.extend(orphans);
    Ok(found)
}

impl Database {
    /// Reads everything. What a journal entry says twice is compared at once.
    pub(super) fn load(connection: &Connection, report: &mut Report) -> rusqlite::Result<Self> {
        let mut terms: BTreeMap<ItemId, Vec<String>> = BTreeMap::new();
        let pairs = all(connection, "SELECT item_id, term FROM item_terms", |row| Ok((id(row, 0)?, row.get(1)?)))?;
        for (item, term) in pairs {
            terms.entry(item).or_default().push(term);
        }
        let numbers = all(connection, "SELECT item_id, number FROM items", |row| Ok((id(row, 0)?, row.get(1)?)))?;
        let value = "SELECT currency, amount_minor FROM stock_value";
        Ok(Self {
            journal: journal(connection, report)?,
            outcomes: outcomes(connection)?,
            dead_letters: dead_letters(connection)?,
            logs: logs(connection)?,
            state: State::load(connection)?,
            terms,
            numbers: numbers.into_iter().collect(),
            stock_value: all(connection, value, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect(),
            progress: progress(connection)?,
        })
    }

    /// The entries that carry a fact that can be read.
    pub(super) fn facts(&self) -> impl Iterator<Item = Fact<'_>> {
        self.journal.iter().filter_map(|entry| entry.message.as_ref().map(|message| Fact { entry, message }))
    }

    /// What an entry's log is called.
    pub(super) fn log_name(&self, log: i64) -> &str {
        self.logs.get(&log).map_or("?", |log| &log.id)
    }
}

fn journal(connection: &Connection, report: &mut Report) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT sequence, stream, event_type, aggregate_id, command_id, fact_index, log, log_offset, occurred_at,
                   message, aggregate
               FROM journal ORDER BY sequence";
    let mut entries = Vec::new();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let stored: Option<String> = row.get(9)?;
        let message = stored.as_deref().map(serde_json::from_str::<Message>).transpose();
        let message = message.unwrap_or_else(|error| {
            report
                .integrity
                .push(format!("sequence {}: the message cannot be read: {error}", row.get_unwrap::<_, i64>(0)));
            None
        });
        let entry = Entry {
            sequence: row.get(0)?,
            of: aggregate(row.get(10)?, row.get(3)?),
            command_id: optional_id(row, 4)?,
            fact_index: row.get(5)?,
            log: row.get(6)?,
            log_offset: row.get(7)?,
            occurred_at: row.get(8)?,
            message,
        };
        let (stream, event_type): (i64, String) = (row.get(1)?, row.get(2)?);
        if let Some(fault) = entry.contradiction(stream, &event_type) {
            report.integrity.push(format!("sequence {}: {fault}", entry.sequence));
        }
        let expected = i64::try_from(entries.len()).unwrap_or(i64::MAX) + 1;
        if entry.sequence != expected && entries.last().is_none_or(|last: &Entry| last.sequence + 1 != entry.sequence) {
            report.integrity.push(format!("the journal has nothing before sequence {}", entry.sequence));
        }
        entries.push(entry);
    }
    Ok(entries)
}

impl Entry {
    /// Whether a message of the log caused it, and stands at its offset.
    pub(super) const fn is_of_a_message(&self) -> bool {
        self.message.is_none() || self.command_id.is_some()
    }

    /// Where the columns and the message disagree.
    fn contradiction(&self, stream: i64, event_type: &str) -> Option<String> {
        let Some(message) = &self.message else {
            let dead = stream == 2 && event_type == "DeadLettered";
            return (!dead).then(|| format!("{event_type} on stream {stream} without a message"));
        };
        let derived = match Cause::of(message.command_id, message) {
            Cause::Command(command) => Some(EventId::of_fact(command, self.fact_index)),
            Cause::Expiry(reservation) => Some(EventId::of_expiry(reservation, self.fact_index)),
            Cause::Opening(reservation) => Some(EventId::of_opening(reservation, self.sequence.unsigned_abs())),
            Cause::Nothing => None,
        };
        let about = self.of.as_ref().map(AggregateId::to_string);
        differ("sequence", &self.sequence, &message.sequence)
            .or_else(|| differ("event_type", &event_type, &message.change.event_type()))
            .or_else(|| differ("stream", &stream, &message.change.stream()))
            .or_else(|| differ("aggregate_id", &about.as_deref(), &Some(&*message.aggregate_id)))
            .or_else(|| differ("aggregate", &self.of, &message.change.about()))
            .or_else(|| differ("command_id", &self.command_id, &message.command_id))
            .or_else(|| differ("event id", &derived, &Some(message.event_id)))
            .or_else(|| differ("occurred_at", &self.occurred_at, &message.occurred_at.millis()))
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(name: &str, column: &T, in_message: &T) -> Option<String> {
    (column != in_message).then(|| format!("{name} is {column:?}, in the message {in_message:?}"))
}

fn outcomes(connection: &Connection) -> rusqlite::Result<BTreeMap<CommandId, Outcome>> {
    let sql = "SELECT command_id, status, type, aggregate_id, version, sequence, code, dead_letter_id, idempotency_id,
                   aggregate
               FROM outcomes";
    let outcome = |row: &Row<'_>| {
        let outcome = Outcome {
            status: row.get(1)?,
            request_type: row.get(2)?,
            of: aggregate(row.get(9)?, row.get(3)?),
            version: row.get(4)?,
            sequence: row.get(5)?,
            code: row.get(6)?,
            dead_letter_id: row.get::<_, Option<Vec<u8>>>(7)?.map(|bytes| uuid(7, &bytes)).transpose()?,
            idempotency_id: row.get::<_, Option<Vec<u8>>>(8)?.map(|bytes| uuid(8, &bytes)).transpose()?,
        };
        Ok((id(row, 0)?, outcome))
    };
    Ok(all(connection, sql, outcome)?.into_iter().collect())
}

fn dead_letters(connection: &Connection) -> rusqlite::Result<Vec<DeadLetter>> {
    let sql = "SELECT dead_letter_id, sequence, command_id, origin_partition, origin_offset, log FROM dead_letters
               ORDER BY sequence";
    all(connection, sql, |row| {
        Ok(DeadLetter {
            id: uuid(0, &row.get::<_, Vec<u8>>(0)?)?,
            sequence: row.get(1)?,
            command_id: optional_id(row, 2)?,
            partition: row.get(3)?,
            offset: row.get(4)?,
            log: row.get(5)?,
        })
    })
}

fn logs(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Log>> {
    let log = |row: &Row<'_>| Ok((row.get(0)?, Log { id: row.get(1)?, next_offset: row.get(2)? }));
    Ok(all(connection, "SELECT log, log_id, next_offset FROM logs", log)?.into_iter().collect())
}

fn progress(connection: &Connection) -> rusqlite::Result<Progress> {
    let sql = "SELECT items, applied, rejected, dead_lettered, published, purged, last_time, units, reserved
               FROM progress";
    connection.query_row(sql, [], |row| {
        Ok(Progress {
            items: row.get(0)?,
            applied: row.get(1)?,
            rejected: row.get(2)?,
            dead_lettered: row.get(3)?,
            published: row.get(4)?,
            purged: row.get(5)?,
            last_time: row.get(6)?,
            units: row.get(7)?,
            reserved: row.get(8)?,
        })
    })
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

pub(super) fn id<Kind>(row: &Row<'_>, column: usize) -> rusqlite::Result<Id<Kind>> {
    uuid(column, &row.get::<_, Vec<u8>>(column)?).map(Id::from_uuid)
}

fn optional_id<Kind>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Id<Kind>>> {
    row.get::<_, Option<Vec<u8>>>(column)?.map(|bytes| uuid(column, &bytes).map(Id::from_uuid)).transpose()
}

/// What the two columns name: nothing, if they fit no kind.
fn aggregate(kind: i64, id: Option<Vec<u8>>) -> Option<AggregateId> {
    AggregateKind::from_number(kind)?.read(&id?).ok()
}

fn uuid(column: usize, bytes: &[u8]) -> rusqlite::Result<Uuid> {
    Uuid::from_slice(bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}
