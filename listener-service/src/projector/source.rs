//! What the database says, in short transactions: none holds up a checkpoint.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, DeadLetterId, ItemId};
use shared::message::Stream;
use shared::outcome::OutcomeStatus;
use shared::read_model::{StoredItem, StoredLevel, StoredOutcome, tip};
use shared::token::LogId;
use uuid::Uuid;

/// The most items that one call writes with all their index entries, of which there are some twenty each: a script holds
/// up every reader while it runs, and this one runs for some 5 ms.
const ITEMS_AT_ONCE: usize = 50;
/// The most items that one call changes the stock of, which takes a quarter of that.
const STOCKS_AT_ONCE: usize = 200;
/// The most journal entries in one call; many may be about one item.
const ENTRIES_AT_ONCE: usize = 500;

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
    /// Outcomes that are final with them.
    pub(super) outcomes: Vec<(CommandId, StoredOutcome)>,
    /// Where the request stands of the first entry that is not among them; none if all are.
    pub(super) next: Option<(LogId, i64)>,
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
        let mut items = BTreeSet::new();
        let mut commands = BTreeSet::new();
        let mut catalogue = 0;
        let mut statement = self.0.prepare_cached(
            "SELECT sequence, command_id, fact_index, occurred_at, item_id, stream FROM journal WHERE sequence > ?1
             ORDER BY sequence LIMIT ?2",
        )?;
        let mut rows = statement.query(params![end.sequence, ENTRIES_AT_ONCE])?;
        while let Some(row) = rows.next()? {
            items.extend(row.get::<_, Option<Uuid>>(4)?.map(ItemId::from_uuid));
            commands.extend(row.get::<_, Option<Uuid>>(1)?);
            end = mark(row)?;
            // A fact about the catalogue may change all that an item has.
            catalogue += usize::from(row.get::<_, i64>(5)? == crate::journal::stream_number(Stream::Items));
            if items.len() == STOCKS_AT_ONCE || catalogue == ITEMS_AT_ONCE {
                break;
            }
        }
        let (mut live, mut deleted) = (Vec::new(), Vec::new());
        for &id in &items {
            match self.item(id, last)? {
                Some((item, false)) => live.push(item),
                Some((item, true)) => deleted.push((id, item.sku)),
                // Somebody asked for an item that never was.
                None => {}
            }
        }
        let outcomes = self.outcomes(commands, end.sequence)?;
        let next = self.origin(end.sequence + 1)?;
        Ok(Changes { end, items: items.into_iter().collect(), live, deleted, outcomes, next })
    }

    /// The log and the offset of the request that caused this entry, if there is one.
    fn origin(&self, sequence: u64) -> rusqlite::Result<Option<(LogId, i64)>> {
        self.0
            .prepare_cached("SELECT log_id, log_offset FROM journal JOIN logs USING (log) WHERE sequence = ?1")?
            .query_row([sequence], |row| Ok((LogId::cluster(&row.get::<_, String>(0)?), row.get(1)?)))
            .optional()
    }

    /// The next live items in the order of their ids.
    pub(super) fn items_after(&self, after: Option<ItemId>, last: u64) -> rusqlite::Result<Vec<StoredItem>> {
        let after = after.map_or(Vec::new(), |id| id.uuid().as_bytes().to_vec());
        let mut statement = self.0.prepare_cached(
            "SELECT item_id, sku, name, description, version, created_at, updated_at FROM items
             WHERE item_id > ?1 AND deleted = 0 ORDER BY item_id LIMIT ?2",
        )?;
        let found = statement.query_map(params![after, ITEMS_AT_ONCE], |row| stored_item(row, last))?;
        let mut items: Vec<StoredItem> = found.collect::<rusqlite::Result<_>>()?;
        for item in &mut items {
            item.levels = self.levels(item.id)?;
        }
        Ok(items)
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

    fn item(&self, id: ItemId, last: u64) -> rusqlite::Result<Option<(StoredItem, bool)>> {
        let found = self
            .0
            .prepare_cached(
                "SELECT item_id, sku, name, description, version, created_at, updated_at, deleted FROM items
                 WHERE item_id = ?1",
            )?
            .query_row([id.uuid()], |row| Ok((stored_item(row, last)?, row.get::<_, bool>(7)?)))
            .optional()?;
        let Some((mut item, is_deleted)) = found else { return Ok(None) };
        if !is_deleted {
            item.levels = self.levels(id)?;
        }
        Ok(Some((item, is_deleted)))
    }

    fn levels(&self, id: ItemId) -> rusqlite::Result<Vec<StoredLevel>> {
        let mut statement = self.0.prepare_cached(
            "SELECT store_id, quantity, reserved, version, updated_at FROM stock_levels WHERE item_id = ?1
             ORDER BY store_id",
        )?;
        let levels = statement.query_map([id.uuid()], |row| {
            Ok(StoredLevel {
                store_id: row.get(0)?,
                quantity: row.get(1)?,
                reserved: row.get(2)?,
                version: row.get(3)?,
                updated_at: Timestamp::from_millis(row.get(4)?),
            })
        })?;
        levels.collect()
    }

    /// Of `commands`, those whose last entry is not behind `through`: before that, not all of what they did is known.
    fn outcomes(&self, commands: BTreeSet<Uuid>, through: u64) -> rusqlite::Result<Vec<(CommandId, StoredOutcome)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT status, type, item_id, version, sequence, applied_at, code, detail, dead_letter_id FROM outcomes
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

fn stored_item(row: &Row<'_>, as_of: u64) -> rusqlite::Result<StoredItem> {
    Ok(StoredItem {
        id: ItemId::from_uuid(row.get(0)?),
        sku: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        version: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        updated_at: Timestamp::from_millis(row.get(6)?),
        levels: Vec::new(),
        as_of,
    })
}

fn stored_outcome(row: &Row<'_>) -> rusqlite::Result<StoredOutcome> {
    let status: String = row.get(0)?;
    Ok(StoredOutcome {
        status: OutcomeStatus::parse(&status).expect("a CHECK of the table names the statuses"),
        kind: row.get(1)?,
        item_id: Some(ItemId::from_uuid(row.get(2)?)),
        version: row.get(3)?,
        sequence: row.get(4)?,
        applied_at: Timestamp::from_millis(row.get(5)?),
        code: row.get(6)?,
        detail: row.get(7)?,
        dead_letter_id: row.get::<_, Option<Uuid>>(8)?.map(DeadLetterId::from_uuid),
    })
}
