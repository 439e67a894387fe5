//! docs/EVENTS.md: every message, in an example that the code would have written.

use serde_json::Value;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, IdempotencyId, ItemId, ReservationId};
use shared::message::{
    Command, Fact, FactEnvelope, ItemDetails, LevelAfter, SCHEMA_VERSION, decode_request, fingerprint,
};
use shared::outcome::RejectionCode;
use shared::text::{Description, Name, Reason, Reference, Sku, StoreId};

use crate::assert_same;
use crate::markdown::{blocks, headings, rows, section};

const PAGE: &str = include_str!("../../docs/EVENTS.md");
/// More than any command causes.
const FACTS_OF_A_COMMAND: u32 = 8;

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

        let expected = fingerprint(request.aggregate_id, &request.data, request.expected_version);
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

#[test]
fn a_facts_ids_are_the_derived_ones() {
    for (name, example) in examples("## Facts") {
        let command = CommandId::parse(text(&example, "commandId")).expect("an id");
        let mut events = (0..FACTS_OF_A_COMMAND).map(|index| EventId::of_fact(command, index).to_string());
        assert!(events.any(|event| event == text(&example, "eventId")), "{name}: eventId");
        assert_eq!(text(&example, "causationId"), EventId::of_request(command).to_string(), "{name}");
        let data = &example["data"];
        assert_eq!(text(&example, "aggregateId"), text(data, "itemId"), "{name}");
        if data["sku"].is_string() {
            let sku = Sku::parse(text(data, "sku")).expect("a SKU");
            assert_eq!(text(data, "itemId"), ItemId::of(&sku).to_string(), "{name}");
        }
        if data["reservationId"].is_string() {
            assert_eq!(text(data, "reservationId"), ReservationId::of(command).to_string(), "{name}");
        }
        if name == "CommandRejected" {
            assert!(RejectionCode::ALL.iter().any(|code| code.as_str() == text(data, "code")), "{name}");
            assert!(Command::EVENT_TYPES.contains(&text(data, "requestType")), "{name}");
        }
    }
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
    let (item_id, _) = item();
    let command_id = CommandId::fresh();
    let envelope = FactEnvelope {
        event_type: fact.event_type(),
        event_id: EventId::of_fact(command_id, 0),
        aggregate_id: item_id,
        occurred_at: Timestamp::from_millis(0),
        version: SCHEMA_VERSION,
        command_id,
        correlation_id: "c",
        aggregate_version: 1,
        sequence: 1,
        causation_id: EventId::of_request(command_id),
        data: &fact,
    };
    serde_json::to_value(&envelope).expect("JSON")
}

fn item() -> (ItemId, Sku) {
    let sku = Sku::parse("PROD-001").expect("a SKU");
    (ItemId::of(&sku), sku)
}

fn fact(event_type: &str, full: bool) -> Fact {
    let (item_id, sku) = item();
    let level = LevelAfter {
        item_id,
        sku: sku.clone(),
        store_id: StoreId::main(),
        total_quantity: 1,
        reserved_total: 0,
        available_quantity: 1,
    };
    let details = ItemDetails {
        item_id,
        sku: sku.clone(),
        name: Name::parse("n").expect("a name"),
        description: full.then(|| Description::parse("d").expect("a description")),
    };
    match event_type {
        "InventoryItemCreated" => Fact::ItemCreated(details),
        "InventoryItemUpdated" => Fact::ItemUpdated(details),
        "InventoryItemDeleted" => Fact::ItemDeleted { item_id, sku },
        "StockAdjusted" => Fact::StockAdjusted {
            level,
            adjustment: 1,
            previous_quantity: 0,
            new_quantity: 1,
            reason: full.then(|| Reason::parse("r").expect("a reason")),
            reference: full.then(|| Reference::parse("r").expect("a reference")),
        },
        "StockReserved" => {
            Fact::StockReserved { level, reserved_quantity: 1, reservation_id: ReservationId::of(CommandId::fresh()) }
        }
        "StockReleased" => Fact::StockReleased { level, released_quantity: 1 },
        "CommandRejected" => Fact::CommandRejected {
            item_id,
            request_type: Command::EVENT_TYPES[0],
            code: RejectionCode::ALL[0].as_str(),
            detail: "d".to_owned(),
        },
        other => panic!("there is no fact {other}"),
    }
}

/// Each field has the type that it has with everything, or without.
fn same_shape(place: &str, example: &Value, full: &Value, empty: &Value) {
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
    let (full, mut example) = (written("CommandRejected", true), written("CommandRejected", false));
    example["data"]["code"] = 7.into();
    same_shape("CommandRejected", &example, &full, &full);
}

#[test]
#[should_panic(expected = "only on the page: [\"colour\"]")]
fn a_field_too_many_is_found() {
    let (full, mut example) = (written("StockReleased", true), written("StockReleased", false));
    example["data"]["colour"] = "red".into();
    same_shape("StockReleased", &example, &full, &full);
}
