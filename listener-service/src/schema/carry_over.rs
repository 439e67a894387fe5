//! From the first schema to the second: the ledger and the lives of items are made from the journal, and what was
//! reserved at a level becomes one simple reservation. What going down put aside comes back.
//!
//! It asks no clock: what it adds is as old as the last thing that the writer journaled.

use std::collections::HashMap;

use rusqlite::{Connection, Row, Transaction, params};
use serde::Deserialize;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::message::{Fact, FactEnvelope, LevelAfter, ReservationAfter, ReservedLine, SCHEMA_VERSION, SYSTEM, Stream};
use shared::quantity::Quantity;
use shared::reservation::ReservationStatus;
use shared::text::{OrderId, Reason, Reference, StoreId};

use crate::aggregates::code;
use crate::domain::Level;
use crate::journal::{self, Entry, Origin};
use crate::movements::{self, Head, Movement};
use crate::reservations;

pub(super) fn carry_over(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    make_lives(transaction)?;
    make_ledger(transaction)?;
    make_holds(transaction)?;
    restore_outcomes(transaction)
}

/// Those that going down put aside. They are older than others that were forgotten meanwhile, so forgetting goes back.
fn restore_outcomes(connection: &Connection) -> rusqlite::Result<()> {
    if !connection.table_exists(None, "kept_outcomes")? {
        return Ok(());
    }
    connection.execute_batch(
        "INSERT OR REPLACE INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at,
            code, detail, dead_letter_id, idempotency_id)
            SELECT command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at,
                code, detail, dead_letter_id, idempotency_id FROM kept_outcomes;
         UPDATE progress SET purged = min(purged, (SELECT coalesce(min(sequence) - 1, purged) FROM kept_outcomes));
         DROP TABLE kept_outcomes;",
    )
}

fn make_lives(connection: &Connection) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO item_lives (item_id, created) VALUES (?1, ?2)")?;
    let mut end = connection.prepare("UPDATE item_lives SET deleted = ?2 WHERE item_id = ?1 AND deleted IS NULL")?;
    let mut statement = connection.prepare(
        "SELECT sequence, event_type, aggregate_id FROM journal
         WHERE event_type IN ('InventoryItemCreated', 'InventoryItemDeleted') ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sequence, event_type, item): (u64, String, uuid::Uuid) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let statement = if event_type == "InventoryItemCreated" { &mut insert } else { &mut end };
        statement.execute(params![item, sequence])?;
    }
    Ok(())
}

/// A stock fact as it was published: by the first schema's program, or by one from which it was gone down.
#[derive(Deserialize)]
struct Published {
    #[serde(default = "nobody_known")]
    actor: String,
    data: Moved,
}

/// The first schema's program could not say who asked.
fn nobody_known() -> String {
    "anonymous".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    #[serde(flatten)]
    level: LevelAfter,
    adjustment: Option<i64>,
    previous_quantity: Option<i64>,
    reason: Option<Reason>,
    reference: Option<Reference>,
    reserved_quantity: Option<i64>,
    reservation_id: Option<ReservationId>,
    order_id: Option<OrderId>,
    released_quantity: Option<i64>,
    issued_quantity: Option<i64>,
    low_stock_threshold: Option<Quantity>,
}

impl Moved {
    /// The fact again, in the language of today.
    fn fact(&self) -> Fact {
        let (level, order_id) = (self.level.clone(), self.order_id.clone());
        if let (Some(adjustment), Some(previous_quantity)) = (self.adjustment, self.previous_quantity) {
            let new_quantity = level.total_quantity;
            let (reason, reference) = (self.reason.clone(), self.reference.clone());
            Fact::StockAdjusted { level, adjustment, previous_quantity, new_quantity, reason, reference }
        } else if let (Some(reserved_quantity), Some(reservation_id)) = (self.reserved_quantity, self.reservation_id) {
            Fact::StockReserved { level, reserved_quantity, reservation_id, order_id }
        } else if let Some(released_quantity) = self.released_quantity {
            let reservation_id = self.reservation_id;
            Fact::StockReleased { level, released_quantity, reservation_id, order_id }
        } else if let (Some(issued_quantity), Some(reservation_id)) = (self.issued_quantity, self.reservation_id) {
            Fact::StockIssued { level, issued_quantity, reservation_id, order_id }
        } else {
            Fact::StockSettingsChanged { level, low_stock_threshold: self.low_stock_threshold }
        }
    }
}

/// A count and the two legs of a transfer are told why by a fact of the same command, at most two places behind.
fn make_ledger(connection: &Connection) -> rusqlite::Result<()> {
    let mut levels: HashMap<(ItemId, StoreId), (Level, Head)> = HashMap::new();
    let mut statement = connection.prepare(
        "SELECT sequence, occurred_at,
            coalesce((SELECT why.event_type FROM journal why
                WHERE why.sequence BETWEEN moved.sequence + 1 AND moved.sequence + 2 AND why.command_id = moved.command_id
                    AND moved.event_type = 'StockAdjusted' AND why.event_type IN ('StockTransferred', 'StockCounted')),
                event_type),
            command_id, message
         FROM journal moved WHERE event_type IN ('StockAdjusted', 'StockReserved', 'StockReleased', 'StockIssued', 'StockSettingsChanged')
         ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (Published { actor, data }, kind): (_, String) = (published(row)?, row.get(2)?);
        let (fact, after) = (data.fact(), data.level);
        let known = levels.get(&(after.item_id, after.store_id.clone())).copied();
        let before = known.map_or(Level::default(), |(level, _)| level);
        let movement = Movement {
            sequence: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            kind: &kind,
            fact: &fact,
            after: &after,
            before,
            version: before.version + 1,
            actor: &actor,
            command_id: row.get::<_, Option<uuid::Uuid>>(3)?.map(CommandId::from_uuid),
        };
        let head = movements::append(connection, &movement, known.map(|(_, head)| head))?;
        let level = Level {
            quantity: after.total_quantity,
            reserved: after.reserved_total,
            version: before.version + 1,
            low_stock_threshold: None,
        };
        levels.insert((after.item_id, after.store_id), (level, head));
    }
    let mut update = connection.prepare("UPDATE stock_levels SET moved = ?3 WHERE item_id = ?1 AND store_id = ?2")?;
    for ((item, store), (_, head)) in &levels {
        update.execute(params![item.uuid(), store.as_str(), head.sequence])?;
    }
    Ok(())
}

fn published(row: &Row<'_>) -> rusqlite::Result<Published> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, error)
    };
    let message: String = row.get(4)?;
    serde_json::from_str(&message).map_err(|error| unreadable(error.into()))
}

/// One level with reserved units.
struct Held {
    item_id: ItemId,
    sku: shared::text::Sku,
    store_id: StoreId,
    reserved: i64,
}

fn make_holds(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT l.item_id, i.sku, l.store_id, l.reserved FROM stock_levels l JOIN items i USING (item_id)
         WHERE l.reserved > 0 ORDER BY i.sku, l.store_id",
    )?;
    let held = statement.query_map([], |row| {
        let item_id = ItemId::from_uuid(row.get(0)?);
        Ok(Held { item_id, sku: code(row, 1)?, store_id: code(row, 2)?, reserved: row.get(3)? })
    })?;
    let held: Vec<Held> = held.collect::<rusqlite::Result<_>>()?;
    if held.is_empty() {
        return Ok(());
    }
    let (log, offset) = connection.query_row(
        "SELECT log, coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let origin = Origin { log, offset, traceparent: None };
    let now = connection.query_row("SELECT last_time FROM progress", [], |row| row.get(0))?;
    let mut sequence = journal::last_sequence(connection)?;
    for held in held {
        sequence += 1;
        make_hold(connection, held, sequence, origin, Timestamp::from_millis(now))?;
    }
    Ok(())
}

fn make_hold(
    connection: &Connection,
    held: Held,
    sequence: u64,
    origin: Origin<'_>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Held { item_id, sku, store_id, reserved } = held;
    let id = ReservationId::of_opening(item_id, &store_id);
    let details = ReservationAfter {
        reservation_id: id,
        store_id,
        customer_id: None,
        order_id: None,
        status: ReservationStatus::Pending,
        simple: true,
        lines: vec![ReservedLine { item_id, sku, quantity: reserved, confirmed: 0, released: 0 }],
        created_at: now,
        expires_at: None,
        ended_at: None,
    };
    let of = AggregateId::Reservation(id);
    let fact = Fact::ReservationCreated(details.clone());
    let envelope = FactEnvelope {
        event_type: fact.event_type(),
        event_id: EventId::of_opening(id, sequence),
        aggregate_id: of.clone(),
        occurred_at: now,
        version: SCHEMA_VERSION,
        command_id: None,
        correlation_id: &id.to_string(),
        aggregate_version: 1,
        sequence,
        causation_id: EventId::of_opening(id, sequence),
        actor: SYSTEM,
        data: &fact,
    };
    let message = serde_json::to_string(&envelope).expect("ids, numbers and text always serialise");
    let entry = Entry {
        sequence,
        stream: Stream::Stock,
        event_type: fact.event_type(),
        of: Some(&of),
        command_id: None,
        fact_index: 0,
        origin,
        occurred_at: now,
        message: Some(&message),
    };
    journal::append(connection, &entry)?;
    reservations::insert(connection, sequence, &details, None)
}
