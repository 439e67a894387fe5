//! Messages that are no commands, of every kind, put on the commands' topic beside command-service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kafka::{BrokerState, Connection, Header, Outgoing, Patience, Producer};
use serde_json::Value;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId};
use shared::message::{Command, RequestEnvelope, fingerprint};
use shared::quantity::Adjustment;
use shared::text::StoreId;

use crate::load::{item, sku};

const TOPIC: &str = "inventory.commands";
/// By it the poison is found again on the topic; the services do not know it.
pub(crate) const MARK: &str = "chaos-poison";
/// Of the commands of the load one or two in a hundred.
const PAUSE: Duration = Duration::from_millis(900);
const PATIENCE: Duration = Duration::from_secs(30);
const LARGE: usize = 600 * 1024;
const AGES_MILLIS: i64 = -1000 * 3600 * 24 * 30;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy)]
enum Kind {
    NoKey,
    NoValue,
    Garbage,
    NotUtf8,
    Nested,
    Large,
    UnknownType,
    NewerVersion,
    OtherKey,
    OtherHeader,
    WrongTypes,
    TooOld,
}

const KINDS: [Kind; 12] = [
    Kind::NoKey,
    Kind::NoValue,
    Kind::Garbage,
    Kind::NotUtf8,
    Kind::Nested,
    Kind::Large,
    Kind::UnknownType,
    Kind::NewerVersion,
    Kind::OtherKey,
    Kind::OtherHeader,
    Kind::WrongTypes,
    Kind::TooOld,
];

/// Who poisons.
pub(crate) struct Poisoner {
    producer: Producer,
    rng: fastrand::Rng,
    /// How many the broker has acknowledged.
    pub(crate) taken: Arc<AtomicU64>,
}

struct Message {
    key: Option<String>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Poisoner {
    pub(crate) fn new(connection: &Connection, seed: u64, taken: Arc<AtomicU64>) -> Self {
        let producer = Producer::open(connection, TOPIC, Patience::Endless).expect("a producer");
        Self { producer, rng: fastrand::Rng::with_seed(seed ^ 0x7015_0000), taken }
    }

    pub(crate) async fn poison_while(mut self, writing: Arc<AtomicBool>) {
        let mut turn = 0;
        while writing.load(Ordering::Relaxed) {
            // One that has no report by then may be on the topic all the same; there it is looked for.
            let _ = tokio::time::timeout(PATIENCE, self.one(KINDS[turn % KINDS.len()])).await;
            turn += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Puts one there, as soon as the broker takes it.
    async fn one(&mut self, kind: Kind) {
        let message = self.message(kind);
        let outgoing = Outgoing {
            topic: TOPIC,
            key: message.key.as_ref().map(String::as_bytes),
            value: message.value.as_deref(),
            headers: &message.headers,
        };
        let mut state = self.producer.state();
        let _ = state.wait_for(|state| *state == BrokerState::Up).await;
        if let Ok(delivery) = self.producer.send(outgoing)
            && self.producer.delivered(delivery).await.is_ok()
        {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A command that is right but for one thing.
    fn message(&mut self, kind: Kind) -> Message {
        let of = item(&sku(self.rng.usize(..10)));
        let command_id = CommandId::from_uuid(uuid::Uuid::from_u128(self.rng.u128(..)));
        let units = Adjustment::parse(1).expect("in range");
        let adjust = Command::AdjustStock { store_id: StoreId::main(), quantity: units, reason: None, reference: None };
        let print = fingerprint(Some(&of), &adjust, None);
        let age = if matches!(kind, Kind::TooOld) { AGES_MILLIS } else { 0 };
        let at = Timestamp::wall_clock().plus_millis(age);
        let envelope = RequestEnvelope::new(of.clone(), command_id, adjust, print, at);
        let mut body = serde_json::to_value(&envelope).expect("plain data is JSON");
        let mut message = Message { key: Some(of.to_string()), value: None, headers: Vec::new() };
        message.headers.push((MARK.into(), Some(format!("{kind:?}").into())));
        match kind {
            Kind::NoKey => message.key = None,
            Kind::OtherKey => message.key = Some(item("SOMETHING-ELSE").to_string()),
            Kind::OtherHeader => {
                let other = EventId::of_fact(command_id, 9).to_string();
                message.headers.push(("event-id".into(), Some(other.into())));
            }
            Kind::UnknownType => body["eventType"] = "StockEvaporationRequested".into(),
            Kind::NewerVersion => body["version"] = 99.into(),
            Kind::WrongTypes => body["data"]["quantity"] = "three".into(),
            Kind::NoValue | Kind::Garbage | Kind::NotUtf8 | Kind::Nested | Kind::Large | Kind::TooOld => {}
        }
        message.value = self.value(kind, &body);
        message
    }

    fn value(&mut self, kind: Kind, body: &Value) -> Option<Vec<u8>> {
        Some(match kind {
            Kind::NoValue => return None,
            Kind::Garbage => (0..self.rng.usize(..200)).map(|_| self.rng.u8(b' '..b'~')).collect(),
            Kind::NotUtf8 => vec![0xff, 0xfe, self.rng.u8(..), 0x80],
            Kind::Nested => vec![b'['; 50_000],
            Kind::Large => vec![b'x'; LARGE],
            Kind::NoKey
            | Kind::UnknownType
            | Kind::NewerVersion
            | Kind::OtherKey
            | Kind::OtherHeader
            | Kind::WrongTypes
            | Kind::TooOld => body.to_string().into_bytes(),
        })
    }
}
