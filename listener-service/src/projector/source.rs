//! What the database says, in short transactions: none holds up a checkpoint.

mod aside;
mod items;
mod reservations;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, DeadLetterId, ItemId, ReservationId};
use shared::message::Stream;
use shared::outcome::OutcomeStatus;
use shared::read_model::{StoreAsOf, StoredItem, StoredOutcome, StoredReservation, StoredSummary, tip};
use shared::text::StoreId;
use shared::token::LogId;
use uuid::Uuid;

pub(super) use reservations::OpenLine;

/// The most that one call does, by what each part takes Redis on average, in microseconds ([`Load`]): a script holds up
/// every reader while it runs.
const LOAD: usize = 5000;
/// The most journal entries in one call; many may be about one item.
const ENTRIES_AT_ONCE: usize = 500;

/// What a call is to do so far, in microseconds of Redis. That of an item is for index entries, of which there are
/// some twenty each; if only its stock changed, few of them are touched.
#[derive(Debug, Default)]
struct Load(usize);

impl Load {
    const fn is_full(&self) -> bool {
        self.0 >= LOAD
    }

    fn put_stock(&mut self, item: &StoredItem) {
        self.0 += 25 + item.levels.len();
    }

    /// What an item has beside its stock.
    fn put_catalogue(&mut self, item: &StoredItem) {
        self.0 += 75 + 4 * item.levels.len();
    }

    fn put_reservation(&mut self, reservation: &StoredReservation) {
        self.0 += 25 + 4 * reservation.lines.len();
    }

    fn put_removal(&mut self) {
        self.0 += 100;
    }

    fn put_store(&mut self) {
        self.0 += 10;
    }
}

/// How far the database was in one transaction.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// Who may write.
    pub(super) epoch: i64,
    /// The journal's last entry.
    pub(super) last: u64,
    /// The log that is consumed.
    pub(super) log: Option<LogId>,
    /// The next offset of it to apply.
    pub(super) next_offset: i64,
}

/// One entry of the journal.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Which one: 0 is before the first.
    pub(super) sequence: u64,
    /// What tells it from another journal's.
    pub(super) tip: String,
    /// The writer's clock.
    pub(super) occurred_at: Timestamp,
}

/// What follows a sequence.
#[derive(Debug)]
pub(super) struct Changes {
    /// The last entry among them, or where one began if there is none.
    pub(super) end: Mark,
    /// The items that they are about.
    pub(super) items: Vec<ItemId>,
    /// These as they are now.
    pub(super) live: Vec<StoredItem>,
    /// Those of them that are there no more, with their SKUs.
    pub(super) deleted: Vec<(ItemId, String)>,
    /// The reservations that they are about, as they are now.
    pub(super) reservations: Vec<StoredReservation>,
    /// Likewise.
    pub(super) stores: Vec<StoreAsOf>,
    /// All stock, as it is now.
    pub(super) summary: StoredSummary,
    /// Outcomes that are final with them.
    pub(super) outcomes: Vec<(CommandId, StoredOutcome)>,
    /// Where the request stands of the first entry that is not among them; none if all are.
    pub(super) next: Option<(LogId, i64)>,
}

/// What some entries are about.
#[derive(Debug, Default)]
struct Found {
    /// Whether one of them is about its catalogue data.
    items: BTreeMap<ItemId, bool>,
    live: Vec<StoredItem>,
    deleted: Vec<(ItemId, String)>,
    /// None for those that there are not.
    reservations: BTreeMap<ReservationId, Option<StoredReservation>>,
    /// Likewise.
    stores: BTreeMap<StoreId, Option<StoreAsOf>>,
    load: Load,
}

/// Some outcomes, found from the journal's end towards its beginning.
#[derive(Debug)]
pub(super) struct EarlierOutcomes {
    /// Those found.
    pub(super) outcomes: Vec<(CommandId, StoredOutcome)>,
    /// The oldest entry looked at; none if there are no earlier ones that matter.
    pub(super) oldest: Option<Mark>,
}

/// One transaction.
pub(super) struct Snapshot<'a>(Transaction<'a>);

impl<'a> Snapshot<'a> {
    pub(super) fn of(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.unchecked_transaction().map(Self)
    }

    pub(super) fn position(&self) -> rusqlite::Result<Position> {
        let current: Option<(String, i64)> = self
            .0
            .prepare_cached("SELECT log_id, coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (log, next_offset) = current.map_or((None, 0), |(id, next)| (Some(LogId::cluster(&id)), next));
        let epoch = self.0.prepare_cached("SELECT epoch FROM lease")?.query_row([], |row| row.get(0))?;
        Ok(Position { epoch, last: crate::journal::last_sequence(&self.0)?, log, next_offset })
    }

    /// The ids of the logs that others have taken the place of.
    pub(super) fn superseded(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement =
            self.0.prepare_cached("SELECT log_id FROM logs WHERE superseded_at IS NOT NULL ORDER BY log")?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    /// The entry at `sequence`; none if the journal has none there.
    pub(super) fn mark(&self, sequence: u64) -> rusqlite::Result<Option<Mark>> {
        if sequence == 0 {
            let occurred_at = Timestamp::from_millis(0);
            return Ok(Some(Mark { sequence, tip: String::new(), occurred_at }));
        }
        self.0
            .prepare_cached("SELECT sequence, command_id, fact_index, occurred_at FROM journal WHERE sequence = ?1")?
            .query_row([sequence], mark)
            .optional()
    }

    /// What follows `after`, bounded.
    pub(super) fn changes(&self, after: Mark, last: u64) -> rusqlite::Result<Changes> {
        let mut end = after;
        let mut found = Found::default();
        let mut commands = BTreeSet::new();
        let mut statement = self.0.prepare_cached(
            "SELECT sequence, command_id, fact_index, occurred_at, aggregate, aggregate_id, stream FROM journal WHERE sequence > ?1
             ORDER BY sequence LIMIT ?2",
        )?;
        let mut rows = statement.query(params![end.sequence, ENTRIES_AT_ONCE])?;
        while !found.load.is_full()
            && let Some(row) = rows.next()?
        {
            // A fact about the catalogue may change all that an item has.
            let is_whole = row.get::<_, i64>(6)? == crate::journal::stream_number(Stream::Items);
            if let Some(of) = crate::journal::aggregate(row, 4)? {
                self.find(&mut found, of, is_whole, last)?;
            }
            commands.extend(row.get::<_, Option<Uuid>>(1)?);
            end = mark(row)?;
        }
        let outcomes = self.outcomes(commands, end.sequence)?;
        let next = self.origin(end.sequence + 1)?;
        Ok(Changes {
            end,
            items: found.items.into_keys().collect(),
            live: found.live,
            deleted: found.deleted,
            reservations: found.reservations.into_values().flatten().collect(),
            stores: found.stores.into_values().flatten().collect(),
            summary: self.summary(last)?,
            outcomes,
            next,
        })
    }

    /// Adds what an entry is about, as it is now, unless it is known. It may never have been: somebody asked for it.
    fn find(&self, found: &mut Found, of: AggregateId, is_whole: bool, last: u64) -> rusqlite::Result<()> {
        match of {
            AggregateId::Item(id) => self.find_item(found, id, is_whole, last)?,
            AggregateId::Reservation(id) => {
                if let Entry::Vacant(place) = found.reservations.entry(id) {
                    let reservation = place.insert(self.reservation(id, last)?);
                    if let Some(reservation) = reservation {
                        found.load.put_reservation(reservation);
                    }
                }
            }
            AggregateId::Store(id) => {
                if let Entry::Vacant(place) = found.stores.entry(id) {
                    let store = self.store(place.key(), last)?;
                    place.insert(store);
                    found.load.put_store();
                }
            }
        }
        Ok(())
    }

    fn find_item(&self, found: &mut Found, id: ItemId, is_whole: bool, last: u64) -> rusqlite::Result<()> {
        let known = found.items.get(&id).copied();
        if known.is_none() {
            match self.item(id, last)? {
                Some((item, false)) => {
                    found.load.put_stock(&item);
                    found.live.push(item);
                }
                Some((item, true)) => found.deleted.push((id, item.sku)),
                None => {}
            }
        }
        if is_whole && known != Some(true) {
            match found.live.iter().rfind(|item| item.id == id) {
                Some(item) => found.load.put_catalogue(item),
                None => found.load.put_removal(),
            }
        }
        found.items.insert(id, is_whole || known == Some(true));
        Ok(())
    }

    /// The log and the offset of the request that caused this entry, if there is one.
    fn origin(&self, sequence: u64) -> rusqlite::Result<Option<(LogId, i64)>> {
        self.0
            .prepare_cached("SELECT log_id, log_offset FROM journal JOIN logs USING (log) WHERE sequence = ?1")?
            .query_row([sequence], |row| Ok((LogId::cluster(&row.get::<_, String>(0)?), row.get(1)?)))
            .optional()
    }

    /// Those of the entries up to `through`, from there backwards, as long as they are not older than `oldest`.
    pub(super) fn earlier_outcomes(&self, through: u64, oldest: Timestamp) -> rusqlite::Result<EarlierOutcomes> {
        let mut statement = self.0.prepare_cached(
            "SELECT sequence, command_id, fact_index, occurred_at FROM journal WHERE sequence <= ?1
             ORDER BY sequence DESC LIMIT ?2",
        )?;
        let mut rows = statement.query(params![through, ENTRIES_AT_ONCE])?;
        let mut commands = BTreeSet::new();
        let mut last_seen = None;
        while let Some(row) = rows.next()? {
            let entry = mark(row)?;
            if entry.occurred_at < oldest {
                last_seen = None;
                break;
            }
            commands.extend(row.get::<_, Option<Uuid>>(1)?);
            last_seen = Some(entry).filter(|entry| entry.sequence > 1);
        }
        Ok(EarlierOutcomes { outcomes: self.outcomes(commands, through)?, oldest: last_seen })
    }

    /// Of `commands`, those whose last entry is not behind `through`: before that, not all of what they did is known.
    fn outcomes(&self, commands: BTreeSet<Uuid>, through: u64) -> rusqlite::Result<Vec<(CommandId, StoredOutcome)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT status, type, aggregate, aggregate_id, version, sequence, applied_at, code, detail, dead_letter_id FROM outcomes
             WHERE command_id = ?1 AND sequence <= ?2",
        )?;
        let mut found = Vec::with_capacity(commands.len());
        for command in commands {
            let outcome = statement.query_row(params![command, through], stored_outcome).optional()?;
            found.extend(outcome.map(|outcome| (CommandId::from_uuid(command), outcome)));
        }
        Ok(found)
    }
}

fn mark(row: &Row<'_>) -> rusqlite::Result<Mark> {
    let command = row.get::<_, Option<Uuid>>(1)?.map(CommandId::from_uuid);
    let occurred_at = Timestamp::from_millis(row.get(3)?);
    Ok(Mark { sequence: row.get(0)?, tip: tip(command, row.get(2)?, occurred_at), occurred_at })
}

fn stored_outcome(row: &Row<'_>) -> rusqlite::Result<StoredOutcome> {
    let status: String = row.get(0)?;
    Ok(StoredOutcome {
        status: OutcomeStatus::parse(&status).expect("a CHECK of the table names the statuses"),
        kind: row.get(1)?,
        of: crate::journal::aggregate(row, 2)?,
        version: row.get(4)?,
        sequence: row.get(5)?,
        applied_at: Timestamp::from_millis(row.get(6)?),
        code: row.get(7)?,
        detail: row.get(8)?,
        dead_letter_id: row.get::<_, Option<Uuid>>(9)?.map(DeadLetterId::from_uuid),
    })
}
