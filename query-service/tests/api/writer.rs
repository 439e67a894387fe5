//! Changes the database as listener-service does: state, journal, ledger, outcome and position in one transaction. The
//! SQL is written by hand, so that these tests are held to the schema and not to the writer's code.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use shared::aggregate::AggregateId;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::text::{Sku, StoreId};
use shared::token::{ConsistencyToken, LogId};

const SCHEMA: [&str; 3] = [
    include_str!("../../../listener-service/src/schema/0001_initial.sql"),
    include_str!("../../../listener-service/src/schema/0002_reservations.sql"),
    include_str!("../../../listener-service/src/schema/0003_cheaper_reservations.sql"),
];
pub(crate) const LOG: &str = "log-1";

pub(crate) struct Writer {
    connection: Connection,
    offset: i64,
}

pub(crate) struct Batch<'a> {
    transaction: Transaction<'a>,
    offset: i64,
    /// Of the journal entries that follow.
    pub(crate) command: CommandId,
}

/// What an item has besides its name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogue {
    pub(crate) description: Option<&'static str>,
    pub(crate) category: Option<&'static str>,
    pub(crate) price: Option<(i64, &'static str)>,
    pub(crate) threshold: Option<i64>,
}

/// One step of a level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step<'a> {
    pub(crate) kind: &'static str,
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) reason: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) order: Option<&'a str>,
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) is_expiry: bool,
}

/// A reservation that is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold<'a> {
    pub(crate) store: &'a str,
    pub(crate) lines: Vec<(&'a str, i64)>,
    pub(crate) customer: Option<&'a str>,
    pub(crate) order: Option<&'a str>,
    /// Milliseconds since 1970; none for a simple one.
    pub(crate) expires_at: Option<i64>,
}

pub(crate) fn id(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).unwrap())
}

pub(crate) fn token(log: &str, offset: i64) -> ConsistencyToken {
    ConsistencyToken { log: LogId::cluster(log), offset }
}

/// What the writer's clock says at a sequence.
pub(crate) fn time(sequence: i64) -> i64 {
    1_763_806_200_000 + sequence
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Self {
        Self::create_at(path, SCHEMA.len())
    }

    /// With the schema of this version.
    pub(crate) fn create_at(path: &Path, version: usize) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection.set_prepared_statement_cache_capacity(64);
        let mut writer = Self { connection, offset: 0 };
        writer.migrate(0, version);
        writer.connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, ?1, 0)", [LOG]).unwrap();
        writer
    }

    /// As listener-service does at its start: the schema and its version in one transaction.
    pub(crate) fn migrate(&mut self, from: usize, to: usize) {
        let transaction = self.connection.transaction().unwrap();
        for sql in &SCHEMA[from..to] {
            transaction.execute_batch(sql).unwrap();
        }
        transaction.pragma_update(None, "user_version", to.cast_signed()).unwrap();
        transaction.commit().unwrap();
    }

    pub(crate) fn set_schema_version(&self, version: i64) {
        self.connection.pragma_update(None, "user_version", version).unwrap();
    }

    /// Commits `changes` as what one message of the log caused; gives its token.
    pub(crate) fn commit(&mut self, changes: impl FnOnce(&mut Batch<'_>)) -> ConsistencyToken {
        self.commit_without_sums(|batch| {
            changes(batch);
            batch.sums();
        })
    }

    /// Leaves what all stock is worth as it is.
    pub(crate) fn commit_without_sums(&mut self, changes: impl FnOnce(&mut Batch<'_>)) -> ConsistencyToken {
        // SQLite waits for a lock at the beginning only, and a reader has this one for a moment where it found the index of
        // the write-ahead log half written (`walIndexReadHdr`).
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let mut batch = Batch { transaction, offset: self.offset, command: CommandId::fresh() };
        changes(&mut batch);
        batch.execute("UPDATE logs SET next_offset = ?1 WHERE log = 1", [self.offset + 1]);
        batch.transaction.commit().unwrap();
        self.offset += 1;
        token(LOG, self.offset - 1)
    }

    /// What is in the tables, as the tests see it.
    pub(crate) fn rows<T>(&self, sql: &str, read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.connection.prepare(sql).unwrap();
        statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The token of the next commit.
    pub(crate) fn next_token(&self) -> ConsistencyToken {
        token(LOG, self.offset)
    }
}

impl Batch<'_> {
    pub(crate) fn execute(&self, sql: &str, parameters: impl rusqlite::Params) {
        self.transaction.prepare_cached(sql).unwrap().execute(parameters).unwrap();
    }

    fn number(&self, sql: &str, parameters: impl rusqlite::Params) -> Option<i64> {
        let mut statement = self.transaction.prepare_cached(sql).unwrap();
        statement.query_row(parameters, |row| row.get(0)).optional().unwrap().flatten()
    }

    pub(crate) fn sequence(&self) -> i64 {
        self.number("SELECT max(sequence) FROM journal", []).unwrap_or(0)
    }

    /// Gives its sequence.
    pub(crate) fn journal(&self, event_type: &str, of: &AggregateId) -> i64 {
        self.journal_by(event_type, of, Some(self.command))
    }

    fn journal_by(&self, event_type: &str, of: &AggregateId, command: Option<CommandId>) -> i64 {
        let sequence = self.sequence() + 1;
        self.execute(
            "INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log,
                                  log_offset, occurred_at, message)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, 0, 1, ?6, ?7, '{}')",
            (
                sequence,
                event_type,
                of.kind().number(),
                of.bytes(),
                command.map(|command| *command.as_bytes()),
                self.offset,
                time(sequence),
            ),
        );
        sequence
    }

    /// Creates it, again if it was deleted, or changes its name.
    pub(crate) fn item(&mut self, sku: &str, name: &str) {
        let key = id(sku).uuid().into_bytes();
        let lives = self.number("SELECT 1 FROM items WHERE item_id = ?1 AND deleted = 0", [key]).is_some();
        let event_type = if lives { "InventoryItemUpdated" } else { "InventoryItemCreated" };
        let sequence = self.journal(event_type, &AggregateId::Item(id(sku)));
        self.execute(
            "INSERT INTO items (item_id, sku, name, description, version, deleted, created_at, updated_at, number)
             VALUES (?1, ?2, ?3, NULL, 1, 0, ?4, ?4, (SELECT coalesce(max(number), 0) + 1 FROM items))
             ON CONFLICT (item_id) DO UPDATE SET name = ?3, version = version + 1, deleted = 0, updated_at = ?4",
            (key, sku, name, time(sequence)),
        );
        if !lives {
            self.execute("INSERT INTO item_lives (item_id, created) VALUES (?1, ?2)", (key, sequence));
            self.execute("UPDATE progress SET items = items + 1", ());
        }
        self.index(sku);
    }

    /// Gives it everything besides its name.
    pub(crate) fn catalogue(&mut self, sku: &str, catalogue: &Catalogue) {
        let sequence = self.journal("InventoryItemUpdated", &AggregateId::Item(id(sku)));
        let key = id(sku).uuid().into_bytes();
        self.execute(
            "UPDATE items SET description = ?2, category = ?3, price_minor = ?4, currency = ?5,
                              low_stock_threshold = ?6, version = version + 1, updated_at = ?7 WHERE item_id = ?1",
            (
                key,
                catalogue.description,
                catalogue.category,
                catalogue.price.map(|price| price.0),
                catalogue.price.map(|price| price.1),
                catalogue.threshold,
                time(sequence),
            ),
        );
        self.execute(
            "UPDATE stock_levels SET threshold = coalesce(own_threshold, ?2),
                is_low = coalesce(coalesce(own_threshold, ?2) >= quantity - reserved, 0) WHERE item_id = ?1",
            (key, catalogue.threshold),
        );
        self.index(sku);
    }

    fn index(&self, sku: &str) {
        let key = id(sku).uuid().into_bytes();
        self.unindex(sku);
        let name: String =
            self.transaction.query_row("SELECT name FROM items WHERE item_id = ?1", [key], |row| row.get(0)).unwrap();
        for term in shared::search::terms(sku, &name) {
            self.execute("INSERT INTO item_terms (term, item_id) VALUES (?1, ?2)", (term, key));
        }
        self.execute(
            "INSERT INTO item_search (rowid, sku, name, description)
             SELECT number, sku, name, description FROM items WHERE item_id = ?1",
            [key],
        );
    }

    fn unindex(&self, sku: &str) {
        let key = id(sku).uuid().into_bytes();
        self.execute("DELETE FROM item_terms WHERE item_id = ?1", [key]);
        self.execute("DELETE FROM item_search WHERE rowid = (SELECT number FROM items WHERE item_id = ?1)", [key]);
    }

    pub(crate) fn level(&mut self, sku: &str, quantity: i64, reserved: i64) {
        self.level_at(sku, "main", quantity, reserved);
    }

    /// One step to these numbers.
    pub(crate) fn level_at(&mut self, sku: &str, store: &str, quantity: i64, reserved: i64) {
        let now = |column: &str| {
            let sql = format!("SELECT {column} FROM stock_levels WHERE item_id = ?1 AND store_id = ?2");
            self.number(&sql, (id(sku).uuid().into_bytes(), store)).unwrap_or(0)
        };
        let (quantity, reserved) = (quantity - now("quantity"), reserved - now("reserved"));
        self.step(sku, store, &Step { kind: "StockAdjusted", quantity, reserved, ..Step::default() });
    }

    /// One step of a level: its fact, its row in the ledger and the level after it. Gives the sequence.
    pub(crate) fn step(&mut self, sku: &str, store: &str, step: &Step<'_>) -> i64 {
        let command = (!step.is_expiry).then_some(self.command);
        let sequence = self.journal_by(step.kind, &AggregateId::Item(id(sku)), command);
        let key = id(sku).uuid().into_bytes();
        let previous = self.number("SELECT moved FROM stock_levels WHERE item_id = ?1 AND store_id = ?2", (key, store));
        let level = if previous.is_some() {
            "UPDATE stock_levels SET quantity = quantity + ?3, reserved = reserved + ?4, version = version + 1,
                                     updated_at = ?5, moved = ?6, is_reserved = reserved + ?4 > 0,
                                     is_low = coalesce(threshold >= quantity + ?3 - reserved - ?4, 0) WHERE item_id = ?1 AND store_id = ?2"
        } else {
            "INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at, moved, threshold, is_low,
                                       is_reserved)
             SELECT ?1, ?2, ?3, ?4, 1, ?5, ?6, low_stock_threshold, coalesce(low_stock_threshold >= ?3 - ?4, 0), ?4 > 0
             FROM (SELECT max(low_stock_threshold) AS low_stock_threshold FROM items WHERE item_id = ?1)"
        };
        self.execute(level, (key, store, step.quantity, step.reserved, time(sequence), sequence));
        self.execute(
            "INSERT INTO movements (sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change,
                                    quantity, reserved, version, previous, jump, reason, reference, actor, order_id,
                                    reservation_id, command_id)
             SELECT ?1, ?2, ?3, item_id, store_id, ?6, ?7, quantity, reserved, version, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15
             FROM stock_levels WHERE item_id = ?4 AND store_id = ?5",
            rusqlite::params![
                sequence,
                time(sequence),
                step.kind,
                key,
                store,
                step.quantity,
                step.reserved,
                previous,
                previous.map(|previous| self.jump_from(previous)),
                step.reason,
                step.reference,
                if step.is_expiry { "system" } else { "anonymous" },
                step.order,
                step.reservation.map(|reservation| *reservation.as_bytes()),
                command.map(|command| *command.as_bytes()),
            ],
        );
        sequence
    }

    /// The jump of a movement whose predecessor is this one (Myers 1983): either to it, or as far back as two equal jumps
    /// from it.
    fn jump_from(&self, previous: i64) -> i64 {
        let read = |sequence: i64| -> (i64, i64) {
            let sql = "SELECT version - 1, coalesce(jump, sequence) FROM movements WHERE sequence = ?1";
            self.transaction.query_row(sql, [sequence], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        let (depth, jump) = read(previous);
        let (depth_there, jump_there) = read(jump);
        let (depth_beyond, _) = read(jump_there);
        if depth - depth_there == depth_there - depth_beyond { jump_there } else { previous }
    }

    /// The writer moves these with each step; here they are counted again.
    fn sums(&self) {
        self.execute(
            "UPDATE progress SET (units, reserved) =
                 (SELECT coalesce(sum(quantity), 0), coalesce(sum(reserved), 0) FROM stock_levels)",
            (),
        );
        self.execute("DELETE FROM stock_value", ());
        self.execute(
            "INSERT INTO stock_value SELECT i.currency, CAST(sum(l.quantity * i.price_minor) AS TEXT)
             FROM items i JOIN stock_levels l ON l.item_id = i.item_id
             WHERE i.deleted = 0 AND i.currency IS NOT NULL GROUP BY i.currency",
            (),
        );
    }

    /// The threshold of a level's own.
    pub(crate) fn settings(&mut self, sku: &str, store: &str, threshold: Option<i64>) {
        self.step(sku, store, &Step { kind: "StockSettingsChanged", ..Step::default() });
        self.execute(
            "UPDATE stock_levels SET own_threshold = ?3, threshold = held.threshold,
                    is_low = coalesce(held.threshold >= quantity - reserved, 0)
             FROM (SELECT coalesce(?3, (SELECT low_stock_threshold FROM items WHERE item_id = ?1)) AS threshold) AS held
             WHERE item_id = ?1 AND store_id = ?2",
            (id(sku).uuid().into_bytes(), store, threshold),
        );
    }

    /// Writes its stock off and takes it out of the catalogue.
    pub(crate) fn delete(&mut self, sku: &str) {
        let key = id(sku).uuid().into_bytes();
        let levels: Vec<(String, i64)> = {
            let sql = "SELECT store_id, quantity FROM stock_levels WHERE item_id = ?1 AND quantity > 0";
            let mut statement = self.transaction.prepare(sql).unwrap();
            let levels = statement.query_map([key], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            levels.collect::<Result<_, _>>().unwrap()
        };
        for (store, quantity) in levels {
            let (kind, reason) = ("StockAdjusted", Some("deleted"));
            let reserved = -self
                .number("SELECT reserved FROM stock_levels WHERE item_id = ?1 AND store_id = ?2", (key, &store))
                .unwrap();
            self.step(sku, &store, &Step { kind, quantity: -quantity, reserved, reason, ..Step::default() });
        }
        let sequence = self.journal("InventoryItemDeleted", &AggregateId::Item(id(sku)));
        self.unindex(sku);
        let sql = "UPDATE items SET deleted = 1, version = version + 1, updated_at = ?2 WHERE item_id = ?1";
        self.execute(sql, (key, time(sequence)));
        let sql = "UPDATE item_lives SET deleted = ?2 WHERE item_id = ?1 AND deleted IS NULL";
        self.execute(sql, (key, sequence));
        self.execute("UPDATE progress SET items = items - 1", ());
    }

    /// Creates or changes it.
    pub(crate) fn store(&mut self, store: &str, name: &str, location: Option<&str>, is_active: bool) {
        let sequence = self.journal("StoreUpdated", &AggregateId::Store(StoreId::parse(store).unwrap()));
        self.execute(
            "INSERT INTO stores VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
             ON CONFLICT DO UPDATE SET name = ?2, location = ?3, active = ?4, version = version + 1, updated_at = ?5",
            (store, name, location, is_active, time(sequence)),
        );
    }

    /// Makes a reservation of all its lines; gives its number.
    pub(crate) fn reserve(&mut self, reservation: ReservationId, hold: &Hold<'_>) -> i64 {
        let number = self.record(reservation, hold);
        for &(sku, units) in &hold.lines {
            let (kind, order) = ("StockReserved", hold.order);
            let reservation = Some(reservation);
            self.step(sku, hold.store, &Step { kind, reserved: units, order, reservation, ..Step::default() });
        }
        number
    }

    /// What the migration makes of units that were reserved before reservations existed: no level moves.
    pub(crate) fn opening(&mut self, sku: &str, store: &str, units: i64) -> ReservationId {
        let reservation = ReservationId::of_opening(id(sku), &StoreId::parse(store).unwrap());
        self.record(reservation, &Hold { store, lines: vec![(sku, units)], ..Hold::default() });
        reservation
    }

    fn record(&self, reservation: ReservationId, hold: &Hold<'_>) -> i64 {
        let number = self.journal("ReservationCreated", &AggregateId::Reservation(reservation));
        let by = hold.expires_at.map(|_| *EventId::of_fact(self.command, 0).as_bytes());
        self.execute(
            "INSERT INTO reservations VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?8, ?9, NULL, 1)",
            (
                number,
                *reservation.as_bytes(),
                hold.store,
                hold.customer,
                hold.order,
                hold.expires_at.is_none(),
                time(number),
                hold.expires_at,
                by,
            ),
        );
        for (line, (sku, units)) in hold.lines.iter().enumerate() {
            self.execute(
                "INSERT INTO reservation_lines VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
                (number, line.cast_signed(), id(sku).uuid().into_bytes(), hold.store, hold.expires_at.is_none(), units),
            );
        }
        number
    }

    /// Moves the deadline.
    pub(crate) fn extend(&mut self, reservation: ReservationId, expires_at: i64) {
        self.journal("ReservationExtended", &AggregateId::Reservation(reservation));
        let sql = "UPDATE reservations SET expires_at = ?2, version = version + 1 WHERE reservation_id = ?1";
        self.execute(sql, (*reservation.as_bytes(), expires_at));
    }

    /// Ends it as `confirmed`, `released` or `expired`, with all that it holds.
    pub(crate) fn end(&mut self, reservation: ReservationId, status: &str) {
        let key = *reservation.as_bytes();
        let lines: Vec<(String, String, i64, Option<String>)> = {
            let sql = "SELECT i.sku, l.store_id, l.quantity - l.confirmed - l.released, r.order_id
                       FROM reservations r JOIN reservation_lines l ON l.reservation = r.number
                       JOIN items i ON i.item_id = l.item_id WHERE r.reservation_id = ?1 ORDER BY l.line";
            let mut statement = self.transaction.prepare(sql).unwrap();
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            statement.query_map([key], read).unwrap().collect::<Result<_, _>>().unwrap()
        };
        let (kind, fact, column) = match status {
            "confirmed" => ("StockIssued", "ReservationConfirmed", "confirmed"),
            "released" => ("StockReleased", "ReservationReleased", "released"),
            _ => ("StockReleased", "ReservationExpired", "released"),
        };
        let is_expiry = status == "expired";
        for (sku, store, units, order) in lines {
            let quantity = if status == "confirmed" { -units } else { 0 };
            let (reservation, order) = (Some(reservation), order.as_deref());
            let step = Step { kind, quantity, reserved: -units, order, reservation, is_expiry, ..Step::default() };
            self.step(&sku, &store, &step);
        }
        let command = (!is_expiry).then_some(self.command);
        let sequence = self.journal_by(fact, &AggregateId::Reservation(reservation), command);
        let sql = format!(
            "UPDATE reservation_lines SET {column} = quantity - confirmed - released + {column}
             WHERE reservation = (SELECT number FROM reservations WHERE reservation_id = ?1)"
        );
        self.execute(&sql, [key]);
        let sql = "UPDATE reservations SET status = ?2, ended_at = ?3, version = version + 1 WHERE reservation_id = ?1";
        self.execute(sql, (key, status, time(sequence)));
    }

    /// The outcome of `self.command`, after its journal entries.
    pub(crate) fn outcome(&mut self, status: &str, kind: &str, sku: &str) {
        let key = id(sku).uuid().into_bytes();
        let version = self.number("SELECT version FROM items WHERE item_id = ?1", [key]);
        self.outcome_of(status, kind, &AggregateId::Item(id(sku)), version);
    }

    pub(crate) fn outcome_of(&mut self, status: &str, kind: &str, of: &AggregateId, version: Option<i64>) {
        let sequence = self.sequence();
        let is_applied = status == "applied";
        self.execute(
            "INSERT INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at,
                                   code, detail, dead_letter_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            (
                *self.command.as_bytes(),
                status,
                kind,
                of.kind().number(),
                of.bytes(),
                version.filter(|_| is_applied),
                sequence,
                time(sequence),
                (!is_applied).then_some("INSUFFICIENT_STOCK"),
                (!is_applied).then_some("available 8, requested 9"),
                (status == "dead_lettered").then(|| of.bytes()),
            ),
        );
    }

    pub(crate) fn rejection(&mut self, sku: &str) {
        self.journal("CommandRejected", &AggregateId::Item(id(sku)));
        self.outcome("rejected", "StockReservationRequested", sku);
    }
}
