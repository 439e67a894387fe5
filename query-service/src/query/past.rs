//! A level as it was.

use rusqlite::{Connection, OptionalExtension};
use shared::clock::Timestamp;
use shared::id::ItemId;
use shared::text::StoreId;

use super::movements::{self, chain};
use super::{counter, items, journal};

/// A moment that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Time(Timestamp),
    Sequence(u64),
}

/// What a level was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Past {
    Level(PastLevel),
    /// The item was not in the catalogue then.
    NoItem,
    /// Not everything up to then has happened.
    Future,
}

/// A level after its last movement up to a moment; zeros if there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastLevel {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) version: u64,
    /// Without a movement, when the item was created.
    pub(crate) updated_at: Timestamp,
    /// Of the movement; 0 if there was none.
    pub(crate) sequence: u64,
}

/// The level of an item at a store at `moment`, if now is `now`.
pub(crate) fn level(
    connection: &Connection,
    item: ItemId,
    store: &StoreId,
    moment: Moment,
    now: Timestamp,
) -> rusqlite::Result<Past> {
    let Some(until) = sequence(connection, moment, now)? else { return Ok(Past::Future) };
    let Some(created) = life(connection, item, until)? else { return Ok(Past::NoItem) };
    let sku = items::sku(connection, item)?.unwrap_or_default();
    let last = chain::last_until(connection, chain::end(connection, item, store.as_str())?, until)?;
    let movement = last.map(|last| movements::movement(connection, last)).transpose()?.flatten();
    let level = match movement {
        Some(movement) => PastLevel {
            sku,
            quantity: movement.quantity,
            reserved: movement.reserved,
            version: movement.version,
            updated_at: movement.occurred_at,
            sequence: movement.sequence,
        },
        None => PastLevel {
            sku,
            quantity: 0,
            reserved: 0,
            version: 0,
            updated_at: journal::time_of(connection, created)?.unwrap_or(now),
            sequence: 0,
        },
    };
    Ok(Past::Level(level))
}

/// The last sequence up to a moment; `None` if that is still to come.
fn sequence(connection: &Connection, moment: Moment, now: Timestamp) -> rusqlite::Result<Option<u64>> {
    let last = journal::last_sequence(connection)?;
    match moment {
        Moment::Sequence(sequence) => Ok(Some(sequence).filter(|&sequence| sequence <= last)),
        // The writer's clock may be ahead of this one.
        Moment::Time(time) if time > now && journal::last_time(connection)?.is_none_or(|last| time > last) => Ok(None),
        Moment::Time(time) => journal::last_until(connection, time).map(Some),
    }
}

/// When the item was created last up to `until`, unless it was deleted again by then.
fn life(connection: &Connection, item: ItemId, until: u64) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT created, deleted FROM item_lives WHERE item_id = ?1 AND created <= ?2 ORDER BY created DESC LIMIT 1",
    )?;
    let life = statement
        .query_row((item.as_bytes(), until.cast_signed()), |row| {
            let deleted: Option<i64> = row.get("deleted")?;
            Ok((counter(row, "created")?, deleted.map(i64::cast_unsigned)))
        })
        .optional()?;
    Ok(life.filter(|(_, deleted)| deleted.is_none_or(|deleted| deleted > until)).map(|(created, _)| created))
}
