//! The publisher: the journal, in its order, to the topics.
//!
//! It reads with a connection of its own and never holds up the writer. Its watermark rides on the writer's next
//! batch, so after a crash some messages are published twice, each under the same event id, and none is left out.

#[cfg(feature = "failpoints")]
mod planted;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fail::fail_point;
use kafka::{Delivery, DeliveryFailure, Header, NotEnqueued, Outgoing, Producer, Topics};
use rusqlite::{Connection, params};
use serde::Deserialize;
use shared::clock::Timestamp;
use shared::http::health::Condition;
use shared::id::{CommandId, EventId};
use shared::lifecycle::Shutdown;
use shared::message::{CONTENT_TYPE_JSON, header};
use tokio::runtime::Handle;

use crate::database;
use crate::dead_letter::stored_headers;
use crate::giving_way::give_way;
use crate::journal;
use crate::published::Unpublishable;
use crate::status::Status;

/// The dependency "publishing".
pub const PUBLISHER: &str = "publisher";

const AT_ONCE: usize = 500;
const PAUSE: Duration = Duration::from_millis(200);
/// From the beginning of a step that found fewer than [`AT_ONCE`] to that of the next one: facts wait for each other
/// (docs/adr/0023).
const APART: Duration = Duration::from_millis(25);

const ALL_PUBLISHED: &str = "all is published";

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Published as many as go at once, and there may be more.
    Progressed,
    /// Published all that there were.
    CaughtUp,
    /// All was published before.
    Idle,
    /// The broker takes nothing now.
    Blocked,
}

/// Where messages are sent: the topics of the broker, or simulated ones.
pub trait Sends {
    /// A message on its way.
    type Delivery;

    /// Enqueues one message. With `Err` nothing was enqueued.
    fn send(&self, message: Outgoing<'_>) -> Result<Self::Delivery, NotEnqueued>;

    /// Waits for the report.
    fn delivered(&self, delivery: Self::Delivery) -> impl Future<Output = Result<(), DeliveryFailure>>;

    /// Why nothing can be sent any more, if it cannot.
    fn fatal_error(&self) -> Option<String>;
}

impl Sends for Producer {
    type Delivery = Delivery;

    fn send(&self, message: Outgoing<'_>) -> Result<Delivery, NotEnqueued> {
        Self::send(self, message)
    }

    async fn delivered(&self, delivery: Delivery) -> Result<(), DeliveryFailure> {
        Self::delivered(self, delivery).await
    }

    fn fatal_error(&self) -> Option<String> {
        Self::fatal_error(self)
    }
}

/// Follows the journal.
pub struct Publisher<P = Producer> {
    path: PathBuf,
    /// Opened when first needed, and again after an error.
    connection: Option<Connection>,
    outlet: Outlet<P>,
    position: u64,
    /// Behind the position, but on their topics already: one before them was not delivered.
    ahead: BTreeSet<u64>,
}

/// What a publisher needs besides its connection.
pub struct Outlet<P = Producer> {
    /// Endlessly patient, so that nothing is overtaken.
    pub producer: P,
    /// Where to.
    pub topics: Topics,
    /// The watermark, and whom to tell.
    pub status: Arc<Status>,
    /// Where reports are waited for.
    pub runtime: Handle,
    /// When to end.
    pub shutdown: Shutdown,
}

struct Row {
    sequence: u64,
    stream: i64,
    event_type: String,
    key: Option<String>,
    command: Option<(CommandId, u32)>,
    occurred_at: Timestamp,
    traceparent: Option<String>,
    message: Option<String>,
}

impl Row {
    fn is_dead_letter(&self) -> bool {
        self.message.is_none()
    }
}

struct Message {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl<P: Sends> Publisher<P> {
    /// Goes on behind the watermark that the status has.
    pub fn new(path: PathBuf, outlet: Outlet<P>) -> Self {
        let position = outlet.status.published();
        Self { path, connection: None, outlet, position, ahead: BTreeSet::new() }
    }

    /// Publishes until told to stop, then what is left, at most until the deadline. Ends before only if its producer
    /// can never go on.
    pub fn run(mut self) {
        let shutdown = self.outlet.shutdown.clone();
        let mut sequence = self.outlet.status.sequence();
        loop {
            let began = Instant::now();
            // Asked before the journal is: what was committed before the end began is found.
            let is_ending = shutdown.has_begun();
            let step = self.step().unwrap_or_else(|error| {
                self.connection = None;
                self.outlet.status.tell(PUBLISHER, Condition::Degraded, error.to_string());
                Step::Blocked
            });
            if let Some(reason) = self.outlet.producer.fatal_error() {
                self.outlet.status.tell(PUBLISHER, Condition::Down, reason);
                return;
            }
            if shutdown.is_expired() || (is_ending && step != Step::Progressed) {
                return;
            }
            match step {
                Step::Progressed => give_way(&self.outlet.status, began),
                Step::CaughtUp => {
                    self.outlet.status.tell(PUBLISHER, Condition::Up, ALL_PUBLISHED);
                    give_way(&self.outlet.status, began);
                    std::thread::sleep(APART.saturating_sub(began.elapsed()));
                }
                Step::Blocked => std::thread::sleep(PAUSE),
                Step::Idle => {
                    self.outlet.status.tell(PUBLISHER, Condition::Up, ALL_PUBLISHED);
                    self.outlet.runtime.block_on(async {
                        tokio::select! {
                            _ = sequence.changed() => {}
                            () = shutdown.begun() => {}
                            () = tokio::time::sleep(PAUSE) => {}
                        }
                    });
                }
            }
        }
    }

    /// Publishes the next entries of the journal, in order, and waits for every report.
    pub fn step(&mut self) -> rusqlite::Result<Step> {
        let rows = self.next_rows()?;
        if rows.is_empty() {
            return Ok(Step::Idle);
        }
        let mut enqueued = Vec::with_capacity(rows.len());
        let mut blocked = None;
        for row in &rows {
            if self.is_ahead(row) {
                continue;
            }
            match self.enqueue(row)? {
                Ok(delivery) => enqueued.push((row, delivery)),
                Err(NotEnqueued::Refused(reason)) if row.is_dead_letter() => self.give_up(row, reason),
                Err(error) => {
                    blocked = Some(error.to_string());
                    break;
                }
            }
        }
        for (row, delivery) in enqueued {
            match self.report(delivery) {
                Ok(()) => {
                    if row.is_dead_letter() {
                        fail_point!("publisher-dead-letter");
                    }
                    self.done(row.sequence);
                }
                Err(DeliveryFailure::Refused(reason)) if row.is_dead_letter() => {
                    self.give_up(row, reason);
                }
                Err(error) => blocked = blocked.or(Some(error.to_string())),
            }
        }
        Ok(match blocked {
            None if rows.len() < AT_ONCE => Step::CaughtUp,
            None => Step::Progressed,
            Some(reason) => {
                self.outlet.status.tell(PUBLISHER, Condition::Degraded, reason);
                Step::Blocked
            }
        })
    }

    /// Whether it is on its topic already.
    fn is_ahead(&mut self, row: &Row) -> bool {
        fail_point!("plant-drop-event", planted::is_to_drop(row), |_| self.pass_over(row));
        self.ahead.contains(&row.sequence)
    }

    /// It stays in the database, with the reason, and does not stop the others.
    fn give_up(&mut self, row: &Row, reason: String) {
        tracing::error!(sequence = row.sequence, reason, "cannot be published; it is kept in the database");
        metrics::counter!("inventory_unpublishable_total").increment(1);
        self.outlet.status.published.give_up(Unpublishable { sequence: row.sequence, reason });
        self.done(row.sequence);
    }

    /// The watermark never passes one that is missing; the journal has no gaps.
    fn done(&mut self, sequence: u64) {
        self.ahead.insert(sequence);
        while self.ahead.remove(&(self.position + 1)) {
            self.position += 1;
        }
        self.outlet.status.published.reach(self.position);
    }

    fn report(&self, delivery: P::Delivery) -> Result<(), DeliveryFailure> {
        self.outlet.runtime.block_on(async {
            tokio::select! {
                report = self.outlet.producer.delivered(delivery) => report,
                () = self.outlet.shutdown.deadline() => Err(DeliveryFailure::Unknown("no time is left".to_owned())),
            }
        })
    }

    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        if self.connection.is_none() {
            self.connection = Some(database::open_read_only(&self.path)?);
        }
        Ok(self.connection.as_ref().expect("it was opened just now"))
    }

    fn next_rows(&mut self) -> rusqlite::Result<Vec<Row>> {
        let position = self.position;
        let mut statement = self.connection()?.prepare_cached(
            "SELECT sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, occurred_at, traceparent, message
             FROM journal WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?;
        let rows = statement.query_map(params![position, AT_ONCE], |row| {
            let command_id: Option<uuid::Uuid> = row.get(5)?;
            let fact_index: u32 = row.get(6)?;
            Ok(Row {
                sequence: row.get(0)?,
                stream: row.get(1)?,
                event_type: row.get(2)?,
                key: journal::aggregate(row, 3)?.map(|of| of.to_string()),
                command: command_id.map(|id| (CommandId::from_uuid(id), fact_index)),
                occurred_at: Timestamp::from_millis(row.get(7)?),
                traceparent: row.get(8)?,
                message: row.get(9)?,
            })
        })?;
        rows.collect()
    }

    fn enqueue(&mut self, row: &Row) -> rusqlite::Result<Result<P::Delivery, NotEnqueued>> {
        fail_point!("plant-dead-letter-twice", row.is_dead_letter(), |_| self.enqueue_twice(row));
        let message = if row.is_dead_letter() { self.dead_letter(row.sequence)? } else { fact(row) };
        Ok(self.send(row, &message))
    }

    fn send(&self, row: &Row, message: &Message) -> Result<P::Delivery, NotEnqueued> {
        let topics = &self.outlet.topics;
        let topic = match row.stream {
            0 => &topics.items,
            1 => &topics.stock,
            _ => &topics.dlq,
        };
        self.outlet.producer.send(Outgoing {
            topic,
            key: message.key.as_deref(),
            value: message.value.as_deref(),
            headers: &message.headers,
        })
    }

    /// The bytes as they came, their headers kept; ours say why it is here.
    fn dead_letter(&mut self, sequence: u64) -> rusqlite::Result<Message> {
        let mut statement = self.connection()?.prepare_cached(
            "SELECT key, value, headers, dead_letter_id, code, detail, attempts, origin_topic, origin_partition,
                origin_offset
             FROM dead_letters WHERE sequence = ?1",
        )?;
        statement.query_row([sequence], |row| {
            let mut headers = stored_headers(&row.get::<_, String>(2)?);
            let id: uuid::Uuid = row.get(3)?;
            let ours = [
                ("dlq-id", id.to_string()),
                ("dlq-code", row.get(4)?),
                ("dlq-detail", row.get(5)?),
                ("dlq-attempts", row.get::<_, u32>(6)?.to_string()),
                ("dlq-origin-topic", row.get(7)?),
                ("dlq-origin-partition", row.get::<_, i32>(8)?.to_string()),
                ("dlq-origin-offset", row.get::<_, i64>(9)?.to_string()),
            ];
            headers.extend(ours.map(|(name, value)| (name.into(), Some(value.into()))));
            Ok(Message { key: row.get(0)?, value: row.get(1)?, headers })
        })
    }
}

fn fact(row: &Row) -> Message {
    let mut headers: Vec<Header> = vec![
        (header::EVENT_TYPE.into(), Some(row.event_type.clone().into())),
        (header::TIMESTAMP.into(), Some(row.occurred_at.to_string().into())),
        (header::CONTENT_TYPE.into(), Some(CONTENT_TYPE_JSON.into())),
    ];
    headers.extend(event_id(row).map(|id| (header::EVENT_ID.into(), Some(id.to_string().into()))));
    headers.extend(row.traceparent.clone().map(|parent| (header::TRACEPARENT.into(), Some(parent.into()))));
    Message {
        key: row.key.clone().map(String::into_bytes),
        value: row.message.clone().map(String::into_bytes),
        headers,
    }
}

/// The header repeats what the body says, which is derived unless nobody asked for the fact.
fn event_id(row: &Row) -> Option<EventId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        event_id: EventId,
    }
    if let Some((command, index)) = row.command {
        return Some(EventId::of_fact(command, index));
    }
    let named: Named = serde_json::from_str(row.message.as_deref()?).ok()?;
    Some(named.event_id)
}
