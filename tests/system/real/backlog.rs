//! A hundred thousand commands that wait in Kafka when the listener starts.

use std::time::{Duration, Instant};

use clap::Parser;
use inventory::settings::Program;
use kafka::{Connection, Outgoing, Patience, Producer};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::message::{CatalogueFields, Command, RequestEnvelope, fingerprint};
use shared::quantity::{Adjustment, Quantity};
use shared::text::{Name, Sku, StoreId};
use testkit::checker::{self, History, Sent};

use crate::deployment::{Real, quiet, stats};
use crate::program::folder;
use testkit::process::report;

const ITEMS: usize = 100;
const COMMANDS: usize = 100_000;
/// As many as the producer's queue surely takes.
const AT_ONCE: usize = 5000;
/// Far below what the whole backlog would need, and above what two batches, SQLite's cache and librdkafka's queue do.
const MEMORY_MIB: u64 = 256;
/// One command a transaction would be a batch of one.
const MESSAGES_A_BATCH: f64 = 50.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_commands_that_wait_are_applied_in_order_in_batches_and_in_bounded_memory() {
    let (folder, database) = folder();
    let Some(mut real) = Real::without_services(folder.path(), &database).await else { return };
    let sent = fill(&real.kafka.address()).await;
    let began = Instant::now();
    real.add_listener(&[]);
    let listener = &real.listeners[0];
    let bases = [listener.base.clone()];
    quiet(&bases).await;
    let took = began.elapsed();
    let peak = listener.process.peak_memory_kib() / 1024;
    let batches = metric(&listener.base, "inventory_batches_total").await;
    let figures = stats(&listener.base).await;
    assert_eq!(figures["position"], sent.len());
    let commands = u32::try_from(sent.len()).expect("fits");
    let a_batch = f64::from(commands) / batches;
    report(&format!("{commands} commands in {took:?}, {a_batch:.0} a batch, at most {peak} MiB"));
    assert!(a_batch > MESSAGES_A_BATCH, "{a_batch} a batch");
    assert!(peak < MEMORY_MIB, "{peak} MiB");
    assert!(real.listeners.pop().expect("there").process.interrupt());
    checker::check(&database, &History { commands: sent, poison: Vec::new(), complete: true }).assert_clean();
}

/// Puts the commands on the log, without a command-service in the way: creations first, then changes, item by item.
async fn fill(brokers: &str) -> Vec<Sent> {
    let program = Program::parse_from(["inventory", "--kafka-brokers", brokers]);
    let connection = Connection::from_settings(&program.run.kafka).expect("settings").expect("brokers");
    let producer = Producer::open(&connection, "inventory.commands", Patience::Short).expect("a producer");
    let mut state = producer.state();
    state.wait_for(|state| *state == kafka::BrokerState::Up).await.expect("up");
    let mut sent = Vec::with_capacity(COMMANDS);
    let mut under_way = Vec::with_capacity(AT_ONCE);
    for number in 0..COMMANDS {
        let request = request(number);
        let key = request.aggregate_id.to_string();
        let value = serde_json::to_vec(&request).expect("JSON");
        let message =
            Outgoing { topic: "inventory.commands", key: Some(key.as_bytes()), value: Some(&value), headers: &[] };
        under_way.push(producer.send(message).expect("enqueued"));
        sent.push(remembered(&request));
        if under_way.len() == AT_ONCE || number + 1 == COMMANDS {
            for delivery in under_way.drain(..) {
                tokio::time::timeout(Duration::from_mins(1), producer.delivered(delivery))
                    .await
                    .expect("in time")
                    .expect("written");
            }
        }
    }
    sent
}

fn request(number: usize) -> RequestEnvelope {
    let sku = Sku::parse(&format!("WAITING-{}", number % ITEMS)).expect("a SKU");
    let item = ItemId::of(&sku);
    let command = if number < ITEMS {
        let quantity = Quantity::parse(0).expect("a quantity");
        let fields = CatalogueFields::named(Name::parse("A thing").expect("a name"));
        Command::CreateItem { sku, fields, quantity }
    } else {
        let quantity = Adjustment::parse(1).expect("an adjustment");
        Command::AdjustStock { store_id: StoreId::main(), quantity, reason: None, reference: None }
    };
    let item = AggregateId::Item(item);
    let print = fingerprint(Some(&item), &command, None);
    RequestEnvelope::new(item, CommandId::fresh(), command, print, Timestamp::wall_clock())
}

fn remembered(request: &RequestEnvelope) -> Sent {
    Sent {
        command_id: Some(request.command_id),
        of: request.aggregate_id.clone(),
        expected_type: request.event_type.to_owned(),
        accepted: true,
        unknown: false,
    }
}

async fn metric(base: &str, name: &str) -> f64 {
    let text = reqwest::get(format!("{base}/metrics")).await.expect("answered").text().await.expect("text");
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}
