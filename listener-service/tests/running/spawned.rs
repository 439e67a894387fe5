//! What both kinds of tests need: a broker, messages on it, and a look at what came of them.

use std::path::Path;
use std::time::Duration;

use kafka::{EmbeddedBroker, Patience, Prepared, Producer, Topics};
use rusqlite::{Connection, OpenFlags};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, RequestEnvelope, fingerprint};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, Ttl};
use shared::text::{Name, Sku, StoreId};
use testkit::poll::eventually;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A broker with our topics, and a producer on it.
pub(crate) struct Broker {
    pub(crate) embedded: EmbeddedBroker,
    pub(crate) topics: Topics,
    producer: Producer,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let topics = Topics::default();
        let embedded = EmbeddedBroker::start(&topics).expect("a broker");
        let producer = Producer::open(embedded.connection(), &topics.commands, Patience::Short).expect("a producer");
        let mut state = producer.state();
        state.wait_for(|state| *state == kafka::BrokerState::Up).await.expect("up");
        Self { embedded, topics, producer }
    }

    pub(crate) async fn put(&self, key: Option<&[u8]>, value: &[u8], headers: &[kafka::Header]) -> i64 {
        let headers = headers.iter().map(|(name, value)| (&**name, value.as_deref()));
        let message = Prepared::with_headers(headers).value(value.to_vec());
        let message = if let Some(key) = key { message.key(key.to_vec()) } else { message };
        let alone = self.producer.group(1);
        alone.send(&self.topics.commands, message).expect("enqueued");
        alone.settled().await;
        alone.reports().remove(0).expect("acknowledged").expect("sent once")
    }

    pub(crate) async fn send(&self, request: &RequestEnvelope) -> i64 {
        let key = request.aggregate_id.to_string();
        self.put(Some(key.as_bytes()), &serde_json::to_vec(request).expect("JSON"), &[]).await
    }

    /// What is on a topic, oldest first.
    pub(crate) fn read(&self, topic: &str) -> Vec<kafka::Record> {
        let mut records = kafka::newest(self.embedded.connection(), topic, 1000, Duration::from_secs(5)).expect("read");
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

pub(crate) fn create(sku: &str, quantity: i64) -> RequestEnvelope {
    let sku = Sku::parse(sku).expect("a SKU");
    let command = Command::CreateItem {
        sku: sku.clone(),
        fields: CatalogueFields::named(Name::parse("A thing").expect("a name")),
        quantity: Quantity::parse(quantity).expect("a quantity"),
    };
    request(AggregateId::Item(ItemId::of(&sku)), command)
}

pub(crate) fn hold_for_a_second(sku: &str) -> RequestEnvelope {
    let item_id = ItemId::of(&Sku::parse(sku).expect("a SKU"));
    let lines = Lines::parse([Line { item_id, quantity: PositiveQuantity::parse(1).expect("a quantity") }]);
    let command = Command::Reserve {
        store_id: StoreId::main(),
        lines: lines.expect("a line"),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::parse(1).expect("a time"),
    };
    request(AggregateId::Reservation(ReservationId::of(CommandId::fresh())), command)
}

pub(crate) fn add_one(sku: &str) -> RequestEnvelope {
    let item = ItemId::of(&Sku::parse(sku).expect("a SKU"));
    let quantity = Adjustment::parse(1).expect("an adjustment");
    request(
        AggregateId::Item(item),
        Command::AdjustStock { store_id: StoreId::main(), quantity, reason: None, reference: None },
    )
}

fn request(of: AggregateId, command: Command) -> RequestEnvelope {
    let print = fingerprint(Some(&of), &command, None);
    RequestEnvelope::new(of, CommandId::fresh(), command, print, Timestamp::wall_clock())
}

/// One number or text from the database; `None` if it cannot be read now.
pub(crate) fn look<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> Option<T> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    connection.query_row(sql, [], |row| row.get(0)).ok()
}

/// Waits until so many commands have an outcome.
pub(crate) async fn outcomes(path: &Path, count: i64) {
    eventually(SOON, async || {
        let found = look::<i64>(path, "SELECT count(*) FROM outcomes");
        if found == Some(count) { Ok(()) } else { Err(format!("{found:?} of {count} outcomes")) }
    })
    .await;
}
