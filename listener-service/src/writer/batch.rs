//! One batch inside its transaction: each message in its order, to its one outcome.

#[cfg(feature = "failpoints")]
mod planted;

use std::time::Duration;

use fail::fail_point;
use kafka::Record;
use rusqlite::{Connection, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, DeadLetterId, ItemId};
use shared::message::{Fact, FactEnvelope, RequestEnvelope, SCHEMA_VERSION, Stream, header};
use shared::outcome::RejectionCode;

use super::cause::Cause;
use super::scene::Scene;
use super::value::ValueChanges;
use crate::aggregates::{Aggregates, Stale, Step};
use crate::dead_letter::{self, DeadLetter, Reason};
use crate::domain::{Change, Rejection, Request, Reservation, decide, expire};
use crate::incoming::Incoming;
use crate::journal::{self, Entry, Origin};
use crate::logs::CurrentLog;
use crate::outcomes::{self, Ending, Outcome};
use crate::{reservations, stores};

/// Why the whole batch is rolled back.
#[derive(Debug)]
pub(super) enum Failure {
    Fenced(&'static str),
    Database(rusqlite::Error),
    Stale(usize),
    Unexpected(usize, String),
}

/// Why one message could not be processed.
#[derive(Debug)]
pub(super) enum ProcessError {
    Sqlite(rusqlite::Error),
    Stale,
    Unexpected(String),
}

impl From<rusqlite::Error> for ProcessError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// How the messages of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Commands applied.
    pub applied: u64,
    /// Commands rejected.
    pub rejected: u64,
    /// Messages dead-lettered.
    pub dead_lettered: u64,
    /// Commands that had ended before: sent or read twice.
    pub repeated: u64,
    /// Reservations that expired.
    pub expired: u64,
    /// Items that came to be, less those that were deleted.
    pub items: i64,
    /// Units that came on hand, less those that went.
    pub units: i64,
    /// Units that were reserved, less those that were freed.
    pub reserved: i64,
}

impl Counts {
    pub(super) fn store(&self, connection: &Connection, published: u64, now: Timestamp) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE progress SET items = items + ?1, applied = applied + ?2, rejected = rejected + ?3,
                    dead_lettered = dead_lettered + ?4, published = ?5, last_time = ?6, units = units + ?7,
                    reserved = reserved + ?8",
            )?
            .execute(params![
                self.items,
                self.applied,
                self.rejected,
                self.dead_lettered,
                published,
                now.millis(),
                self.units,
                self.reserved,
            ])
            .map(|_| ())
    }
}

pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) aggregates: &'a mut Aggregates,
    pub(super) topic: &'a str,
    pub(super) log: &'a CurrentLog,
    pub(super) now: Timestamp,
    /// See [`crate::clock::WriterClock::cautious_now`].
    pub(super) cautious_now: Timestamp,
    pub(super) retention: Duration,
    pub(super) sequence: u64,
    pub(super) counts: Counts,
    /// By how much the stock's value changes.
    pub(super) value: ValueChanges,
    /// Deadlines that were set.
    pub(super) deadlines: Vec<Timestamp>,
}

impl Batch<'_> {
    /// Takes one message to its outcome; with a `verdict` it is not tried but kept as a dead letter.
    pub(super) fn process(&mut self, message: &Incoming, verdict: Option<&Reason>) -> Result<(), ProcessError> {
        let record = &message.record;
        fail_point!("plant-drop-command", planted::is_turn(record.offset), |_| Ok(()));
        let request = match message.request() {
            Ok(request) => request,
            Err(error) => return self.bury(record, None, &Reason::Undecodable(error)),
        };
        if outcomes::is_known(self.connection, request.command_id)? {
            self.counts.repeated += 1;
            return Ok(());
        }
        if let Some(reason) = verdict.cloned().or_else(|| self.too_old(request)) {
            return self.bury(record, Some(request), &reason);
        }
        let origin = Origin { log: self.log.number, offset: record.offset, traceparent: traceparent(record) };
        if let Some(rejection) = self.key_reused(request)? {
            return self.reject(request, origin, &rejection);
        }
        match self.decide(request)? {
            Ok(changes) => self.accept(request, origin, &changes),
            Err(rejection) => self.reject(request, origin, &rejection),
        }
    }

    fn too_old(&self, request: &RequestEnvelope) -> Option<Reason> {
        let retention = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let old = request.occurred_at.plus_millis(retention) < self.cautious_now;
        old.then_some(Reason::TooOld { accepted_at: request.occurred_at })
    }

    fn key_reused(&self, request: &RequestEnvelope) -> Result<Option<Rejection>, ProcessError> {
        let Some(key) = request.idempotency_id else { return Ok(None) };
        let owner = outcomes::claim_key(self.connection, key, request.command_id)?;
        let code = RejectionCode::IdempotencyKeyReused;
        let detail = format!("the idempotency key stands for command {owner}, which asked for something else");
        Ok((owner != request.command_id).then_some(Rejection { code, detail, version: 0 }))
    }

    /// A rejection changes no row that could show what was read to be stale, so it stands only on a fresh reading. A
    /// change of the catalogue names the item's version and not those of its levels, which it counts with.
    fn decide(&mut self, request: &RequestEnvelope) -> Result<Result<Vec<Change>, Rejection>, ProcessError> {
        let scene = Scene::of(self.connection, request, self.now)?;
        let asked = Request {
            of: &request.aggregate_id,
            command: &request.data,
            expected_version: request.expected_version,
            command_id: request.command_id,
            now: self.now,
        };
        let mut fresh = self.aggregates.load(self.connection, &scene.items)?;
        if !fresh && request.data.stream() == Stream::Items {
            self.aggregates.reload(self.connection, &scene.items)?;
            fresh = true;
        }
        let decided = decide(&scene.situation(self.aggregates), &asked);
        if decided.is_ok() || fresh {
            return Ok(decided);
        }
        self.aggregates.reload(self.connection, &scene.items)?;
        Ok(decide(&scene.situation(self.aggregates), &asked))
    }

    fn accept(
        &mut self,
        request: &RequestEnvelope,
        origin: Origin<'_>,
        changes: &[Change],
    ) -> Result<(), ProcessError> {
        fail_point!("plant-apply-twice", planted::is_turn(origin.offset), |_| self.twice(request, origin, changes));
        self.apply(&Cause::Command(request), origin, changes)?;
        self.counts.applied += 1;
        let version = changed_version(request, changes);
        self.end(request, Ending::Applied { version })
    }

    fn reject(
        &mut self,
        request: &RequestEnvelope,
        origin: Origin<'_>,
        rejection: &Rejection,
    ) -> Result<(), ProcessError> {
        let fact = Fact::CommandRejected {
            of: request.aggregate_id.clone(),
            request_type: request.event_type,
            code: rejection.code.as_str(),
            detail: rejection.detail.clone(),
        };
        self.append(&Cause::Command(request), origin, 0, &Change { fact, version: rejection.version })?;
        self.counts.rejected += 1;
        self.end(request, Ending::Rejected { code: rejection.code, detail: &rejection.detail })
    }

    /// Journals the expiry of a reservation whose deadline has passed, and gives its stock back.
    pub(super) fn expire(&mut self, reservation: &Reservation) -> Result<(), ProcessError> {
        let items: Vec<ItemId> = reservation.details.lines.iter().map(|line| line.item_id).collect();
        self.aggregates.load(self.connection, &items)?;
        let scene = Scene::of_items(items);
        let changes = expire(&scene.situation(self.aggregates), reservation, self.now);
        let origin = Origin { log: self.log.number, offset: self.log.next_offset.unwrap_or(0), traceparent: None };
        self.apply(&Cause::Deadline(reservation), origin, &changes)?;
        self.counts.expired += 1;
        Ok(())
    }

    /// Every fact into the journal, and what it changes into its tables.
    fn apply(&mut self, cause: &Cause<'_>, origin: Origin<'_>, changes: &[Change]) -> Result<(), ProcessError> {
        for (index, change) in (0..).zip(changes) {
            self.append(cause, origin, index, change)?;
            self.count(change);
            let stored = match &change.fact {
                Fact::ReservationCreated(details) => {
                    let deadline_by = details.expires_at.map(|_| cause.event_id(index));
                    reservations::insert(self.connection, self.sequence, details, deadline_by)?;
                    self.deadlines.extend(details.expires_at);
                    Ok(())
                }
                Fact::ReservationExtended(details) => {
                    self.deadlines.extend(details.expires_at);
                    reservations::update(self.connection, details, change.version, Some(cause.event_id(index)))?
                }
                Fact::ReservationConfirmed(details)
                | Fact::ReservationReleased(details)
                | Fact::ReservationExpired(details) => {
                    reservations::update(self.connection, details, change.version, None)?
                }
                Fact::StoreCreated(details) | Fact::StoreUpdated(details) => {
                    stores::store(self.connection, details, change.version, self.now)?
                }
                Fact::ItemCreated(_)
                | Fact::ItemUpdated(_)
                | Fact::ItemDeleted { .. }
                | Fact::StockAdjusted { .. }
                | Fact::StockReserved { .. }
                | Fact::StockReleased { .. }
                | Fact::StockIssued { .. }
                | Fact::StockSettingsChanged { .. }
                | Fact::StockTransferred { .. }
                | Fact::StockCounted { .. }
                | Fact::StockDepleted { .. }
                | Fact::StockReplenished { .. }
                | Fact::LowStock { .. } => self.store_stock(cause, change)?,
                Fact::CommandRejected { .. } => Ok(()),
            };
            stored.map_err(|Stale| ProcessError::Stale)?;
        }
        Ok(())
    }

    fn store_stock(&mut self, cause: &Cause<'_>, change: &Change) -> rusqlite::Result<Result<(), Stale>> {
        let step = Step {
            change,
            sequence: self.sequence,
            at: self.now,
            kind: cause.why(&change.fact),
            actor: cause.actor(),
            command_id: cause.command_id(),
        };
        self.aggregates.store(self.connection, &step)
    }

    /// Before the change is stored, for it counts by how much that moves what is on hand.
    fn count(&mut self, change: &Change) {
        let fact = &change.fact;
        if let Some(after) = fact.level().filter(|_| fact.moves_level()) {
            let aggregate = self.aggregates.get(after.item_id);
            let before = aggregate.level(&after.store_id);
            let units = after.total_quantity - before.quantity;
            self.counts.units += units;
            self.counts.reserved += after.reserved_total - before.reserved;
            let price = aggregate.live().and_then(|item| item.price);
            self.value.add(price, units);
        } else if let Fact::ItemCreated(details) | Fact::ItemUpdated(details) = fact {
            let aggregate = self.aggregates.get(details.item_id);
            self.counts.items += i64::from(aggregate.live().is_none());
            let before = aggregate.live().and_then(|item| item.price);
            if before != details.price {
                self.value.add(before, -aggregate.quantity());
                self.value.add(details.price, aggregate.quantity());
            }
        } else if matches!(fact, Fact::ItemDeleted { .. }) {
            // What it had on hand was written off before.
            self.counts.items -= 1;
        }
    }

    fn append(
        &mut self,
        cause: &Cause<'_>,
        origin: Origin<'_>,
        fact_index: u32,
        change: &Change,
    ) -> Result<(), ProcessError> {
        self.sequence += 1;
        let event_type = change.fact.event_type();
        let of = change.fact.aggregate();
        let envelope = FactEnvelope {
            event_type,
            event_id: cause.event_id(fact_index),
            aggregate_id: of.clone(),
            occurred_at: self.now,
            version: SCHEMA_VERSION,
            command_id: cause.command_id(),
            correlation_id: &cause.correlation_id(),
            aggregate_version: change.version,
            sequence: self.sequence,
            causation_id: cause.causation_id(),
            actor: cause.actor(),
            data: &change.fact,
        };
        let message = serde_json::to_string(&envelope).map_err(|e| ProcessError::Unexpected(e.to_string()))?;
        let entry = Entry {
            sequence: self.sequence,
            stream: change.fact.stream().unwrap_or(cause.stream()),
            event_type,
            of: Some(&of),
            command_id: cause.command_id(),
            fact_index,
            origin,
            occurred_at: self.now,
            message: Some(&message),
        };
        Ok(journal::append(self.connection, &entry)?)
    }

    fn end(&self, request: &RequestEnvelope, ending: Ending<'_>) -> Result<(), ProcessError> {
        self.end_at(self.sequence, request, ending)
    }

    fn end_at(&self, sequence: u64, request: &RequestEnvelope, ending: Ending<'_>) -> Result<(), ProcessError> {
        let outcome = Outcome {
            command_id: request.command_id,
            event_type: request.event_type,
            of: &request.aggregate_id,
            sequence,
            at: self.now,
            idempotency_id: request.idempotency_id,
            ending,
        };
        Ok(outcomes::record(self.connection, &outcome)?)
    }

    /// Only a message that reads as a command has an outcome: anybody can write somebody's command id into garbage.
    fn bury(
        &mut self,
        record: &Record,
        request: Option<&RequestEnvelope>,
        reason: &Reason,
    ) -> Result<(), ProcessError> {
        let mut id = DeadLetterId::of(self.log.id.as_str(), self.topic, record.partition, record.offset);
        if let Some(known) = dead_letter::find(self.connection, id)? {
            if known.is_of(record) {
                // A log that is read again from its beginning.
                self.counts.repeated += 1;
                return request.map_or(Ok(()), |request| self.end_buried(request, known.sequence, id, reason));
            }
            // A log that was made anew under its old name.
            id = id.again(self.sequence + 1);
        }
        self.sequence += 1;
        self.counts.dead_lettered += 1;
        let command_id: Option<CommandId> = request.map(|request| request.command_id);
        let entry = Entry {
            sequence: self.sequence,
            stream: Stream::DeadLetters,
            event_type: journal::DEAD_LETTERED,
            of: None,
            command_id,
            fact_index: 0,
            origin: Origin { log: self.log.number, offset: record.offset, traceparent: traceparent(record) },
            occurred_at: self.now,
            message: None,
        };
        journal::append(self.connection, &entry)?;
        let letter = DeadLetter {
            id,
            sequence: self.sequence,
            reason,
            command_id,
            topic: self.topic,
            log: self.log.number,
            record,
            at: self.now,
        };
        dead_letter::insert(self.connection, &letter)?;
        tracing::warn!(
            dead_letter_id = %id,
            command_id = command_id.map(tracing::field::display),
            correlation_id = request.map(|request| request.correlation_id.as_str()),
            offset = record.offset,
            code = reason.code(),
            detail = %reason,
            "dead letter"
        );
        request.map_or(Ok(()), |request| self.end_buried(request, self.sequence, id, reason))
    }

    fn end_buried(
        &self,
        request: &RequestEnvelope,
        sequence: u64,
        id: DeadLetterId,
        reason: &Reason,
    ) -> Result<(), ProcessError> {
        self.end_at(sequence, request, Ending::DeadLettered { id, code: reason.code(), detail: &reason.to_string() })
    }
}

/// The version of what the command is about: the item's or, for stock, that of the first level that it moved; the
/// reservation's; the store's.
fn changed_version(request: &RequestEnvelope, changes: &[Change]) -> u64 {
    let stream = request.data.stream();
    let is_about =
        |change: &&Change| change.fact.aggregate() == request.aggregate_id && change.fact.stream() == Some(stream);
    changes.iter().find(is_about).map_or(0, |change| change.version)
}

fn traceparent(record: &Record) -> Option<&str> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == header::TRACEPARENT)?;
    std::str::from_utf8(value.as_deref()?).ok().filter(|text| text.len() <= 128)
}
