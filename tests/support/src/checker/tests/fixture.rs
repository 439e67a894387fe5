//! A database written by hand: entries one by one, tables row by row, so that the checker agrees with neither by itself.

use std::path::PathBuf;

use rusqlite::{Connection, params};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::message::{Fact, FactEnvelope, ItemDetails, LevelAfter, ReservationAfter, ReservedLine};
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::Quantity;
use shared::reservation::ReservationStatus;
use shared::text::{Sku, StoreId, Text};
use uuid::Uuid;

use super::super::fact::Message;
use super::super::{History, Origin, Report, Sent, check};

const SCHEMA: [&str; 3] = [
    include_str!("../../../../../listener-service/src/schema/0001_initial.sql"),
    include_str!("../../../../../listener-service/src/schema/0002_reservations.sql"),
    include_str!("../../../../../listener-service/src/schema/0003_cheaper_reservations.sql"),
];
const LOG: &str = "a-log";

pub(super) struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    pub connection: Connection,
    pub history: History,
    sequence: i64,
    offset: i64,
    /// Whether messages are those from before there were reservations.
    pub is_old: bool,
}

impl Fixture {
    /// Nothing has happened yet. What is written is there when it is [`Self::done`]: one transaction is fast.
    pub(super) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").expect("WAL");
        connection.execute_batch("BEGIN").expect("a transaction");
        for schema in SCHEMA {
            connection.execute_batch(schema).expect("the schema");
        }
        connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, ?, 0)", [LOG]).expect("a log");
        let history = History { complete: true, ..History::default() };
        Self { _folder: folder, path, connection, history, sequence: 0, offset: 0, is_old: false }
    }

    pub(super) fn done(self) -> Self {
        self.connection.execute_batch("COMMIT").expect("written");
        self
    }

    /// A command that was sent, accepted and applied, or rejected if its one fact is that. Offsets have holes.
    pub(super) fn command(
        &mut self,
        number: u128,
        at: i64,
        request_type: &str,
        of: &AggregateId,
        facts: &[(u64, Fact)],
    ) {
        let command_id = command(number);
        self.offset += 2;
        for (index, (version, fact)) in (0..).zip(facts) {
            let event_id = EventId::of_fact(command_id, index);
            let causation_id = EventId::of_request(command_id);
            self.fact((Some(command_id), "c", "tester"), (event_id, causation_id), index, at, *version, fact);
        }
        let named = facts.iter().find(|(_, fact)| speaks_for(request_type, fact));
        let (version, fact) = named.or(facts.first()).expect("a command has facts");
        let rejection = if let Fact::CommandRejected { code, .. } = fact { Some(*code) } else { None };
        let (status, version) = if rejection.is_some() { ("rejected", None) } else { ("applied", Some(*version)) };
        self.connection
            .execute(
                "INSERT INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at,
                     code, idempotency_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    command_id.as_bytes(),
                    status,
                    request_type,
                    of.kind().number(),
                    of.bytes(),
                    version,
                    self.sequence,
                    at,
                    rejection,
                    command_id.as_bytes()
                ],
            )
            .expect("an outcome");
        let (of, expected_type) = (of.clone(), request_type.to_owned());
        self.history.commands.push(Sent {
            command_id: Some(command_id),
            of,
            expected_type,
            accepted: true,
            unknown: false,
        });
    }

    /// What follows from the deadline that `by` set.
    pub(super) fn expiry(&mut self, reservation: ReservationId, by: EventId, at: i64, facts: &[(u64, Fact)]) {
        let correlation = reservation.to_string();
        // The next offset to apply, which stands for no message yet.
        self.offset += 1;
        for (index, (version, fact)) in (0..).zip(facts) {
            let event_id = EventId::of_expiry(reservation, index);
            self.fact((None, &correlation, "system"), (event_id, by), index, at, *version, fact);
        }
        self.offset -= 1;
    }

    /// A hold that a migration opens.
    pub(super) fn opening(&mut self, reservation: ReservationId, at: i64, fact: &Fact) {
        let event_id = EventId::of_opening(reservation, self.sequence.unsigned_abs() + 1);
        self.offset += 1;
        self.fact((None, &reservation.to_string(), "system"), (event_id, event_id), 0, at, 1, fact);
        self.offset -= 1;
    }

    fn fact(
        &mut self,
        (command_id, correlation_id, actor): (Option<CommandId>, &str, &str),
        (event_id, causation_id): (EventId, EventId),
        index: u32,
        at: i64,
        version: u64,
        fact: &Fact,
    ) {
        self.sequence += 1;
        let envelope = FactEnvelope {
            event_type: fact.event_type(),
            event_id,
            aggregate_id: fact.aggregate(),
            occurred_at: Timestamp::from_millis(at),
            version: 1,
            command_id,
            correlation_id,
            aggregate_version: version,
            sequence: self.sequence.cast_unsigned(),
            causation_id,
            actor,
            data: fact,
        };
        let mut message = serde_json::to_value(&envelope).expect("JSON");
        if self.is_old {
            message.as_object_mut().expect("an object").remove("actor");
            let data = message["data"].as_object_mut().expect("an object");
            data.retain(|field, value| {
                !value.is_null() && (field != "reservationId" || fact.event_type() == "StockReserved")
            });
        }
        let read: Message = serde_json::from_value(message.clone()).expect("as it is read");
        let of = fact.aggregate();
        self.connection
            .execute(
                "INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log,
                     log_offset, occurred_at, message) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
                params![
                    self.sequence,
                    read.change.stream(),
                    fact.event_type(),
                    of.kind().number(),
                    of.bytes(),
                    command_id.map(|id| *id.as_bytes()),
                    index,
                    self.offset,
                    at,
                    message.to_string()
                ],
            )
            .expect("an entry");
    }

    /// A message that nobody can read.
    pub(super) fn poison(&mut self, at: i64) {
        self.sequence += 1;
        self.offset += 2;
        self.dead_letter(self.sequence, self.offset, at);
        self.history.poison.push(Origin { log: LOG.to_owned(), partition: 0, offset: self.offset });
    }

    pub(super) fn dead_letter(&self, sequence: i64, offset: i64, at: i64) {
        let id = shared::id::random();
        self.connection
            .execute(
                "INSERT INTO journal (sequence, stream, event_type, fact_index, log, log_offset, occurred_at)
                 VALUES (?, 2, 'DeadLettered', 0, 1, ?, ?)",
                params![sequence, offset, at],
            )
            .expect("an entry");
        self.connection
            .execute(
                "INSERT INTO dead_letters (dead_letter_id, sequence, code, detail, attempts, origin_topic,
                     origin_partition, origin_offset, log, headers, occurred_at)
                 VALUES (?, ?, 'MALFORMED_MESSAGE', '', 1, 't', 0, ?, 1, '[]', ?)",
                params![id.as_bytes(), sequence, offset, at],
            )
            .expect("a dead letter");
    }

    /// One row; the sequence is that of the journal.
    pub(super) fn movement(&self, row: &Moved) {
        let [quantity_change, reserved_change, quantity, reserved] = row.units;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        self.connection
            .execute(
                "INSERT INTO movements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    row.sequence,
                    row.at,
                    row.kind,
                    item(row.level.0).as_bytes(),
                    row.level.1,
                    quantity_change,
                    reserved_change,
                    quantity,
                    reserved,
                    row.chain.0,
                    row.chain.1,
                    row.chain.2,
                    some(row.why.0),
                    some(row.why.1),
                    row.by.map_or("system", |_| if self.is_old { "anonymous" } else { "tester" }),
                    some(row.why.2),
                    row.held_by.map(|id| *id.as_bytes()),
                    row.by.map(|number| *command(number).as_bytes())
                ],
            )
            .expect("a movement");
    }

    pub(super) fn check(&self) -> Report {
        check(&self.path, &self.history)
    }

    /// Plants a fault, constraints or not.
    pub(super) fn plant(self, sql: &str) -> Self {
        let off = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;";
        self.connection.execute_batch(&format!("{off}{sql}")).expect("the fault can be planted");
        self
    }
}

/// A row of the ledger: empty texts are NULL.
pub(super) struct Moved {
    pub sequence: i64,
    pub at: i64,
    pub kind: &'static str,
    /// SKU and store.
    pub level: (&'static str, &'static str),
    /// Change of quantity and of what is reserved; both after it.
    pub units: [i64; 4],
    /// Version, previous movement, jump.
    pub chain: (i64, Option<i64>, Option<i64>),
    /// Reason, reference, order.
    pub why: (&'static str, &'static str, &'static str),
    pub held_by: Option<ReservationId>,
    /// The command's number.
    pub by: Option<u128>,
}

/// Whether the outcome's version is this fact's.
fn speaks_for(request_type: &str, fact: &Fact) -> bool {
    match request_type.as_bytes() {
        [b'I', ..] => fact.event_type().starts_with("InventoryItem"),
        [b'R', ..] => fact.event_type().starts_with("Reservation"),
        _ => fact.moves_level() || fact.event_type().starts_with("Store"),
    }
}

pub(super) fn command(number: u128) -> CommandId {
    CommandId::from_uuid(Uuid::from_u128(number))
}

/// Of an id that a client chose.
pub(super) fn chosen(number: u128) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(0xc0de_0000 + number))
}

pub(super) fn sku(sku: &str) -> Sku {
    Sku::parse(sku).expect("valid")
}

pub(super) fn item(of: &str) -> ItemId {
    ItemId::of(&sku(of))
}

pub(super) fn store(id: &str) -> StoreId {
    StoreId::parse(id).expect("valid")
}

/// As SQL writes the bytes of an id.
pub(super) fn hex(id: Uuid) -> String {
    format!("x'{}'", id.simple())
}

/// None if it is empty.
pub(super) fn text<const MIN: usize, const MAX: usize, const LINES: bool>(text: &str) -> Option<Text<MIN, MAX, LINES>> {
    (!text.is_empty()).then(|| Text::parse(text).expect("valid"))
}

pub(super) fn details(of: &str, name: &str, price: Option<(i64, &str)>, threshold: Option<i64>) -> ItemDetails {
    ItemDetails {
        item_id: item(of),
        sku: sku(of),
        name: text(name).expect("a name"),
        description: None,
        category: None,
        price: price.map(|(amount, currency)| Price {
            amount_minor: AmountMinor::parse(amount).expect("valid"),
            currency: Currency::parse(currency).expect("valid"),
        }),
        low_stock_threshold: threshold.map(|units| Quantity::parse(units).expect("valid")),
    }
}

pub(super) fn level((of, at): (&str, &str), total: i64, reserved: i64) -> LevelAfter {
    LevelAfter {
        item_id: item(of),
        sku: sku(of),
        store_id: store(at),
        total_quantity: total,
        reserved_total: reserved,
        available_quantity: total - reserved,
    }
}

/// To what is on hand and reserved after it.
pub(super) fn adjusted(
    at: (&str, &str),
    change: i64,
    (total, reserved): (i64, i64),
    reason: &str,
    reference: &str,
) -> Fact {
    Fact::StockAdjusted {
        level: level(at, total, reserved),
        adjustment: change,
        previous_quantity: total - change,
        new_quantity: total,
        reason: text(reason),
        reference: text(reference),
    }
}

pub(super) fn reserved(at: (&str, &str), units: i64, after: (i64, i64), by: ReservationId, order: &str) -> Fact {
    let level = level(at, after.0, after.1);
    Fact::StockReserved { level, reserved_quantity: units, reservation_id: by, order_id: text(order) }
}

pub(super) fn released(
    at: (&str, &str),
    units: i64,
    after: (i64, i64),
    by: Option<ReservationId>,
    order: &str,
) -> Fact {
    let level = level(at, after.0, after.1);
    Fact::StockReleased { level, released_quantity: units, reservation_id: by, order_id: text(order) }
}

pub(super) fn issued(at: (&str, &str), units: i64, after: (i64, i64), by: ReservationId, order: &str) -> Fact {
    let level = level(at, after.0, after.1);
    Fact::StockIssued { level, issued_quantity: units, reservation_id: by, order_id: text(order) }
}

/// A reservation that is nobody's, without a deadline; lines are SKU, quantity, confirmed, released.
pub(super) fn simple(id: ReservationId, at: i64, lines: &[(&str, i64, i64, i64)]) -> ReservationAfter {
    let line = |&(of, quantity, confirmed, released): &(&str, i64, i64, i64)| ReservedLine {
        item_id: item(of),
        sku: sku(of),
        quantity,
        confirmed,
        released,
    };
    ReservationAfter {
        reservation_id: id,
        store_id: StoreId::main(),
        customer_id: None,
        order_id: None,
        status: ReservationStatus::Pending,
        simple: true,
        lines: lines.iter().map(line).collect(),
        created_at: Timestamp::from_millis(at),
        expires_at: None,
        ended_at: None,
    }
}

/// A buyer's, until a deadline.
pub(super) fn until(deadline: i64, order: &str, held: ReservationAfter) -> ReservationAfter {
    let (expires_at, order_id) = (Some(Timestamp::from_millis(deadline)), text(order));
    ReservationAfter { simple: false, expires_at, order_id, customer_id: text("buyer"), ..held }
}

pub(super) fn ended(status: ReservationStatus, at: i64, held: ReservationAfter) -> ReservationAfter {
    ReservationAfter { status, ended_at: Some(Timestamp::from_millis(at)), ..held }
}
