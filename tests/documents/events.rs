//! docs/EVENTS.md: every message, in an example that the code would have written.

use std::fmt::Debug;

use serde_json::Value;
use shared::aggregate::{AggregateId, AggregateKind};
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, IdempotencyId, ItemId, ReservationId};
use shared::message::{
    Command, Fact, FactEnvelope, ItemDetails, LevelAfter, ReservationAfter, ReservedLine, SCHEMA_VERSION, SYSTEM,
    StoreDetails, Stream, decode_request, fingerprint,
};
use shared::outcome::RejectionCode;
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::Quantity;
use shared::reservation::ReservationStatus;
use shared::text::{Category, CustomerId, Description, Location, Name, OrderId, Reason, Reference, Sku, StoreId};

use crate::assert_same;
use crate::markdown::{blocks, headings, rows, section};

const PAGE: &str = include_str!("../../docs/EVENTS.md");
const WRITES: &str = include_str!("../../docs/openapi/command-service.json");
/// More than any command of an example causes.
const FACTS_OF_A_COMMAND: u32 = 16;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The one example below each heading of a part of the page.
fn examples(part: &str) -> Vec<(String, Value)> {
    let part = section(PAGE, part);
    let example = |name: String| {
        let found = blocks(section(part, &format!("### {name}")), "json");
        let [text] = found.as_slice() else { panic!("{name} has {} examples", found.len()) };
        let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, value)
    };
    headings(part, 3).into_iter().map(example).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {value:#}"))
}

fn keys(value: &Value) -> Vec<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn every_request_has_one_example() {
    let names: Vec<String> = examples("## Requests").into_iter().map(|(name, _)| name).collect();
    assert_same("docs/EVENTS.md, Requests", &names, &owned(&Command::EVENT_TYPES));
}

#[test]
fn every_fact_has_one_example() {
    let names: Vec<String> = examples("## Facts").into_iter().map(|(name, _)| name).collect();
    assert_same("docs/EVENTS.md, Facts", &names, &owned(&Fact::EVENT_TYPES));
}

#[test]
fn a_request_is_read_and_written_back_as_it_is() {
    for (name, example) in examples("## Requests") {
        assert_eq!(text(&example, "eventType"), name);
        let bytes = serde_json::to_vec(&example).expect("JSON");
        let key = text(&example, "aggregateId").as_bytes();
        let request = decode_request(Some(key), Some(&bytes), std::iter::empty())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&request).expect("JSON"), example, "{name}");

        let derived = AggregateId::Reservation(ReservationId::of(request.command_id));
        let of = Some(&request.aggregate_id).filter(|id| **id != derived);
        let expected = fingerprint(of, &request.data, request.expected_version);
        assert_eq!(request.fingerprint, expected, "{name}");
        assert_eq!(request.event_id, EventId::of_request(request.command_id), "{name}");
        if let Some(key) = request.idempotency_id {
            assert_eq!(request.command_id, CommandId::of(key, &request.fingerprint), "{name}");
        }
    }
}

/// The walkthrough's delivery: the page shows an idempotency id that this derivation gives.
#[test]
fn the_example_with_a_key_has_the_id_of_that_key() {
    let path = "/api/v1/inventory/items/sku/PROD-001/adjust";
    let key = IdempotencyId::of("anonymous", "POST", path, "delivery-42").to_string();
    let (_, example) = examples("## Requests")
        .into_iter()
        .find(|(name, _)| name == "StockAdjustmentRequested")
        .expect("checked above");
    assert_eq!(text(&example, "idempotencyId"), key);
}

#[test]
fn a_fact_has_the_fields_that_the_code_writes() {
    for (name, example) in examples("## Facts") {
        assert_eq!(text(&example, "eventType"), name);
        let (full, empty) = (written(&name, true), written(&name, false));
        same_shape(&name, &example, &full, &empty);
    }
}

/// What is behind `When:` in the part about a message, if it is in code marks.
fn when(part: &str, name: &str) -> Option<String> {
    let below = section(section(PAGE, part), &format!("### {name}"));
    let line = below.lines().find_map(|line| line.strip_prefix("When: `"))?;
    line.split_once('`').map(|(route, _)| route.to_owned())
}

#[test]
fn every_request_names_its_route() {
    let document: Value = serde_json::from_str(WRITES).expect("JSON");
    for name in Command::EVENT_TYPES {
        let route = when("## Requests", name).unwrap_or_else(|| panic!("{name} does not say when"));
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let operation = &document["paths"][format!("/api/v1{path}")][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{name}: there is no {route}");
    }
}

#[test]
fn every_fact_names_its_topic() {
    for name in Fact::EVENT_TYPES {
        let topics = match fact(name, true).stream() {
            Some(Stream::Items) => ["`inventory.items`", "Topic: `inventory.items`"],
            Some(Stream::Stock) => ["`inventory.stock`", "Topic: `inventory.stock`"],
            Some(Stream::DeadLetters) => panic!("{name} is no dead letter"),
            None => ["`inventory.items`", "`inventory.stock`"],
        };
        let below = section(section(PAGE, "## Facts"), &format!("### {name}"));
        let said = below.split("```").next().unwrap_or_default().replace('\n', " ");
        assert!(topics.iter().all(|topic| said.contains(topic)), "{name} does not say {topics:?}: {said}");
    }
}

/// Its own id if the command made it; that of the deadline's expiry if there was none.
fn events_of(name: &str, example: &Value) -> Vec<String> {
    if example["commandId"].is_null() {
        assert_eq!(name, "ReservationExpired", "only an expiry has no command");
        assert_eq!(text(example, "actor"), SYSTEM, "{name}");
        let reservation = ReservationId::parse(text(&example["data"], "reservationId")).expect("an id");
        assert_eq!(text(example, "correlationId"), reservation.to_string(), "{name}");
        return (0..FACTS_OF_A_COMMAND).map(|index| EventId::of_expiry(reservation, index).to_string()).collect();
    }
    let command = CommandId::parse(text(example, "commandId")).expect("an id");
    assert_eq!(text(example, "causationId"), EventId::of_request(command).to_string(), "{name}");
    if ["StockReserved", "ReservationCreated"].contains(&name) {
        let reservation = ReservationId::of(command).to_string();
        assert_eq!(text(&example["data"], "reservationId"), reservation, "{name}");
    }
    (0..FACTS_OF_A_COMMAND).map(|index| EventId::of_fact(command, index).to_string()).collect()
}

/// The field of `data` that has the id of what a fact is about.
fn subject(name: &str, data: &Value) -> &'static str {
    let kind = if name == "CommandRejected" {
        let has = |kind: &AggregateKind| data[field(*kind)].is_string();
        AggregateKind::ALL.into_iter().find(has).expect("a rejection names what was asked of")
    } else {
        fact(name, true).aggregate().kind()
    };
    field(kind)
}

fn field(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Item => "itemId",
        AggregateKind::Reservation => "reservationId",
        AggregateKind::Store => "storeId",
    }
}

#[test]
fn a_facts_ids_are_the_derived_ones() {
    for (name, example) in examples("## Facts") {
        let events = events_of(&name, &example);
        assert!(events.iter().any(|event| event == text(&example, "eventId")), "{name}: eventId");
        let data = &example["data"];
        assert_eq!(text(&example, "aggregateId"), text(data, subject(&name, data)), "{name}");
        let lines = data["lines"].as_array().into_iter().flatten();
        for item in lines.chain([data]).filter(|item| item["sku"].is_string()) {
            let sku = Sku::parse(text(item, "sku")).expect("a SKU");
            assert_eq!(text(item, "itemId"), ItemId::of(&sku).to_string(), "{name}");
        }
        if name == "CommandRejected" {
            assert!(RejectionCode::ALL.iter().any(|code| code.as_str() == text(data, "code")), "{name}");
            assert!(Command::EVENT_TYPES.contains(&text(data, "requestType")), "{name}");
        }
    }
}

#[test]
fn what_an_expiry_follows_from_is_the_fact_that_set_the_deadline() {
    let facts = examples("## Facts");
    let fact = |name: &str| &facts.iter().find(|(known, _)| known == name).expect("checked above").1;
    let (created, expired) = (fact("ReservationCreated"), fact("ReservationExpired"));
    assert_eq!(text(expired, "causationId"), text(created, "eventId"));
    assert_eq!(text(&expired["data"], "expiresAt"), text(&created["data"], "expiresAt"));
}

#[test]
fn the_envelopes_table_has_every_field() {
    let fields = |kind: &str| -> Vec<String> {
        let rows = rows(section(PAGE, "## Envelope"));
        rows.into_iter().filter(|row| row[2] == "both" || row[2] == kind).map(|row| row[0].clone()).collect()
    };
    let request = &examples("## Requests")[0].1;
    assert_same("docs/EVENTS.md, Envelope, requests", &fields("request"), &keys(request));
    assert_same("docs/EVENTS.md, Envelope, facts", &fields("fact"), &keys(&written("StockReserved", true)));
}

/// A fact of that type as the code writes it: with everything that may be null, or without.
fn written(event_type: &str, full: bool) -> Value {
    let fact = fact(event_type, full);
    assert_eq!(fact.event_type(), event_type);
    let command_id = CommandId::fresh();
    let envelope = FactEnvelope {
        event_type: fact.event_type(),
        event_id: EventId::of_fact(command_id, 0),
        aggregate_id: fact.aggregate(),
        occurred_at: Timestamp::from_millis(0),
        version: SCHEMA_VERSION,
        command_id: full.then_some(command_id),
        correlation_id: "c",
        aggregate_version: 1,
        sequence: 1,
        causation_id: EventId::of_request(command_id),
        actor: "a",
        data: &fact,
    };
    serde_json::to_value(&envelope).expect("JSON")
}

/// What `full` says is there, of a text that every rule of a short word takes.
fn some<T, E: Debug>(full: bool, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
    full.then(|| parse("n").expect("a short word keeps the rule"))
}

fn item() -> (ItemId, Sku) {
    let sku = Sku::parse("PROD-001").expect("a SKU");
    (ItemId::of(&sku), sku)
}

fn details(full: bool) -> ItemDetails {
    let (item_id, sku) = item();
    let price = Price {
        amount_minor: AmountMinor::parse(1).expect("an amount"),
        currency: Currency::parse("EUR").expect("a currency"),
    };
    ItemDetails {
        item_id,
        sku,
        name: Name::parse("n").expect("a name"),
        description: some(full, Description::parse),
        category: some(full, Category::parse),
        price: full.then_some(price),
        low_stock_threshold: full.then_some(Quantity::ZERO),
    }
}

fn level() -> LevelAfter {
    let (item_id, sku) = item();
    let store_id = StoreId::main();
    LevelAfter { item_id, sku, store_id, total_quantity: 1, reserved_total: 0, available_quantity: 1 }
}

fn reservation(full: bool) -> ReservationAfter {
    let (item_id, sku) = item();
    let time = full.then_some(Timestamp::from_millis(0));
    ReservationAfter {
        reservation_id: reservation_id(),
        store_id: StoreId::main(),
        customer_id: some(full, CustomerId::parse),
        order_id: some(full, OrderId::parse),
        status: ReservationStatus::Pending,
        simple: false,
        lines: vec![ReservedLine { item_id, sku, quantity: 1, confirmed: 0, released: 0 }],
        created_at: Timestamp::from_millis(0),
        expires_at: time,
        ended_at: time,
    }
}

fn reservation_id() -> ReservationId {
    ReservationId::of(CommandId::fresh())
}

fn store(full: bool) -> StoreDetails {
    let name = Name::parse("n").expect("a name");
    StoreDetails { store_id: StoreId::main(), name, location: some(full, Location::parse), active: true }
}

fn fact(event_type: &str, full: bool) -> Fact {
    let (item_id, sku) = item();
    match event_type {
        "InventoryItemCreated" => Fact::ItemCreated(details(full)),
        "InventoryItemUpdated" => Fact::ItemUpdated(details(full)),
        "InventoryItemDeleted" => Fact::ItemDeleted { item_id, sku },
        "ReservationCreated" => Fact::ReservationCreated(reservation(full)),
        "ReservationConfirmed" => Fact::ReservationConfirmed(reservation(full)),
        "ReservationReleased" => Fact::ReservationReleased(reservation(full)),
        "ReservationExpired" => Fact::ReservationExpired(reservation(full)),
        "ReservationExtended" => Fact::ReservationExtended(reservation(full)),
        "StoreCreated" => Fact::StoreCreated(store(full)),
        "StoreUpdated" => Fact::StoreUpdated(store(full)),
        "CommandRejected" => Fact::CommandRejected {
            of: AggregateId::Item(item_id),
            request_type: Command::EVENT_TYPES[0],
            code: RejectionCode::ALL[0].as_str(),
            detail: "d".to_owned(),
        },
        stock => stock_fact(stock, full),
    }
}

fn stock_fact(event_type: &str, full: bool) -> Fact {
    let (level, order_id, reason) = (level(), some(full, OrderId::parse), some(full, Reason::parse));
    match event_type {
        "StockAdjusted" => {
            let (adjustment, previous_quantity, new_quantity) = (1, 0, 1);
            let reference = some(full, Reference::parse);
            Fact::StockAdjusted { level, adjustment, previous_quantity, new_quantity, reason, reference }
        }
        "StockReserved" => {
            Fact::StockReserved { level, reserved_quantity: 1, reservation_id: reservation_id(), order_id }
        }
        "StockReleased" => {
            let reservation_id = full.then(reservation_id);
            Fact::StockReleased { level, released_quantity: 1, reservation_id, order_id }
        }
        "StockIssued" => Fact::StockIssued { level, issued_quantity: 1, reservation_id: reservation_id(), order_id },
        "StockSettingsChanged" => {
            Fact::StockSettingsChanged { level, low_stock_threshold: full.then_some(Quantity::ZERO) }
        }
        "StockTransferred" => {
            let (item_id, sku) = item();
            let (from_store_id, to_store_id) = (StoreId::main(), StoreId::parse("s").expect("a store"));
            Fact::StockTransferred { item_id, sku, from_store_id, to_store_id, quantity: 1, reason }
        }
        "StockCounted" => Fact::StockCounted { level, counted_quantity: 1, previous_quantity: 1, reason },
        "StockDepleted" => Fact::StockDepleted { level },
        "StockReplenished" => Fact::StockReplenished { level },
        "LowStock" => Fact::LowStock { level, threshold: 1 },
        other => panic!("there is no fact {other}"),
    }
}

/// Each field has the type that it has with everything, or without.
fn same_shape(place: &str, example: &Value, full: &Value, empty: &Value) {
    // What may be null, and is.
    if example.is_null() && empty.is_null() {
        return;
    }
    if let (Some(examples), [of]) = (example.as_array(), full.as_array().map_or(&[][..], Vec::as_slice)) {
        assert!(!examples.is_empty(), "{place}: an example without elements shows none");
        for example in examples {
            same_shape(&format!("{place}[]"), example, of, &empty[0]);
        }
        return;
    }
    let Some(fields) = full.as_object() else {
        let types = [full, empty].map(std::mem::discriminant);
        assert!(types.contains(&std::mem::discriminant(example)), "{place}: {example} instead of {full} or {empty}");
        return;
    };
    assert_same(place, &keys(example), &keys(full));
    for (name, value) in fields {
        same_shape(&format!("{place}.{name}"), &example[name], value, &empty[name]);
    }
}

#[test]
#[should_panic(expected = "CommandRejected.data.code")]
fn a_field_of_another_type_is_found() {
    let (full, mut example) = (written("CommandRejected", true), written("CommandRejected", true));
    example["data"]["code"] = 7.into();
    same_shape("CommandRejected", &example, &full, &full);
}

#[test]
#[should_panic(expected = "only on the page: [\"colour\"]")]
fn a_field_too_many_is_found() {
    let (full, mut example) = (written("StockReleased", true), written("StockReleased", true));
    example["data"]["colour"] = "red".into();
    same_shape("StockReleased", &example, &full, &full);
}

#[test]
#[should_panic(expected = "ReservationCreated.data.lines[]: missing on the page: [\"sku\"]")]
fn a_field_that_is_missing_in_a_list_is_found() {
    let (full, mut example) = (written("ReservationCreated", true), written("ReservationCreated", true));
    example["data"]["lines"][0].as_object_mut().expect("a line").remove("sku");
    same_shape("ReservationCreated", &example, &full, &full);
}
