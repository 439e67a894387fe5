//! docs/EVENTS.md: which facts a command leads to, in which order, as the domain decides it.

use listener_service::domain::{
    Aggregate, Change, Item, Level, Request, Reservation, Situation, Store, decide, expire,
};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, Fact, ReservationAfter, ReservedLine, StoreFields};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, ReservationStatus, Ttl};
use shared::text::{Name, Sku, StoreId};

use crate::assert_same;
use crate::markdown::{rows, section};

const PAGE: &str = include_str!("../../docs/EVENTS.md");
const EDGES: [&str; 3] = ["StockDepleted", "StockReplenished", "LowStock"];
const DEADLINE: &str = "a deadline that has passed";
/// Units on hand of each item, and how many of them are reserved. With the threshold of 7, one less is low.
const PLENTY: (i64, i64) = (10, 2);
/// Nothing is available, so that what is given back replenishes.
const NOTHING_LEFT: (i64, i64) = (4, 4);
const NOTHING_RESERVED: (i64, i64) = (10, 0);

fn id(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).expect("a SKU"))
}

fn name() -> Name {
    Name::parse("n").expect("a name")
}

fn units(units: i64) -> PositiveQuantity {
    PositiveQuantity::parse(units).expect("a quantity")
}

fn quantity(units: i64) -> Quantity {
    Quantity::parse(units).expect("a quantity")
}

fn lines(lines: &[(&str, i64)]) -> Lines {
    Lines::parse(lines.iter().map(|(sku, held)| Line { item_id: id(sku), quantity: units(*held) })).expect("lines")
}

/// An item at `main`, held to a threshold of 7.
fn item(sku: &str, (quantity, reserved): (i64, i64)) -> Aggregate {
    let level = Level { quantity, reserved, low_stock_threshold: None, version: 3 };
    let sku = Sku::parse(sku).expect("a SKU");
    let item = Item { sku, version: 1, deleted: false, price: None, low_stock_threshold: Some(7) };
    let mut aggregate = Aggregate { item: Some(item), ..Aggregate::default() };
    aggregate.levels.insert(StoreId::main(), level);
    aggregate
}

/// Two units of each of these at `main`.
fn held(skus: &[&str], simple: bool) -> Reservation {
    let lines = skus.iter().map(|sku| {
        let sku = Sku::parse(sku).expect("a SKU");
        ReservedLine { item_id: ItemId::of(&sku), sku, quantity: 2, confirmed: 0, released: 0 }
    });
    let expires_at = (!simple).then(|| Timestamp::from_millis(1_000));
    let reservation_id = ReservationId::of(CommandId::fresh());
    let details = ReservationAfter {
        reservation_id,
        store_id: StoreId::main(),
        customer_id: None,
        order_id: None,
        status: ReservationStatus::Pending,
        simple,
        lines: lines.collect(),
        created_at: Timestamp::from_millis(0),
        expires_at,
        ended_at: None,
    };
    Reservation { details, deadline_by: expires_at.map(|_| EventId::of_expiry(reservation_id, 0)), version: 1 }
}

/// What is asked, of what, and of how much stock.
fn asked(request: &str) -> ((i64, i64), AggregateId, Command) {
    let (main, other) = (StoreId::main(), StoreId::parse("other").expect("a store"));
    let fields = |threshold| CatalogueFields {
        low_stock_threshold: Some(quantity(threshold)),
        ..CatalogueFields::named(name())
    };
    let store = || StoreFields { name: name(), location: None, active: true };
    let (item, new_store) = (AggregateId::Item(id("A")), AggregateId::Store(StoreId::parse("new").expect("a store")));
    let reservation = AggregateId::Reservation(ReservationId::of(CommandId::fresh()));
    let ttl_seconds = Ttl::DEFAULT;
    match request {
        "ItemCreationRequested" => {
            let sku = Sku::parse("NEW").expect("a SKU");
            let of = AggregateId::Item(ItemId::of(&sku));
            (PLENTY, of, Command::CreateItem { sku, fields: fields(1), quantity: quantity(5) })
        }
        "ItemUpdateRequested" => (PLENTY, item, Command::UpdateItem(fields(8))),
        "ItemDeletionRequested" => (NOTHING_RESERVED, item, Command::DeleteItem {}),
        "StockAdjustmentRequested" => {
            let quantity = Adjustment::parse(-1).expect("an adjustment");
            (PLENTY, item, Command::AdjustStock { store_id: main, quantity, reason: None, reference: None })
        }
        "StockReservationRequested" => (PLENTY, item, Command::ReserveStock { store_id: main, quantity: units(1) }),
        "StockReleaseRequested" => (NOTHING_LEFT, item, Command::ReleaseStock { store_id: main, quantity: units(3) }),
        "StockCountRequested" => {
            let command =
                Command::CountStock { store_id: main, quantity: quantity(9), expected_quantity: None, reason: None };
            (PLENTY, item, command)
        }
        "StockSettingsRequested" => {
            (PLENTY, item, Command::ConfigureStock { store_id: main, low_stock_threshold: Some(quantity(8)) })
        }
        "StockTransferRequested" => {
            let (from_store_id, to_store_id, quantity) = (main, other, units(1));
            (PLENTY, item, Command::TransferStock { from_store_id, to_store_id, quantity, reason: None })
        }
        "ReservationRequested" => {
            let (store_id, lines) = (main, lines(&[("A", 1), ("B", 1)]));
            let command = Command::Reserve { store_id, lines, customer_id: None, order_id: None, ttl_seconds };
            (PLENTY, reservation, command)
        }
        "ReservationConfirmationRequested" => {
            let lines = Some(lines(&[("A", 1), ("B", 1)]));
            (NOTHING_LEFT, reservation, Command::ConfirmReservation { order_id: None, lines })
        }
        "ReservationExtensionRequested" => (PLENTY, reservation, Command::ExtendReservation { ttl_seconds }),
        "ReservationReleaseRequested" => (NOTHING_LEFT, reservation, Command::ReleaseReservation {}),
        "StoreCreationRequested" => {
            let store_id = StoreId::parse("new").expect("a store");
            (PLENTY, new_store, Command::CreateStore { store_id, fields: store() })
        }
        "StoreUpdateRequested" => (PLENTY, AggregateId::Store(other), Command::UpdateStore(store())),
        other => panic!("there is no request {other}"),
    }
}

/// The names of the facts that the domain decides on.
fn decided(cause: &str) -> Vec<&'static str> {
    let (stock, of, command) = if cause == DEADLINE { asked("ReservationReleaseRequested") } else { asked(cause) };
    let items = [item("A", stock), item("B", stock)];
    let store = Store { active: true, version: 1 };
    let (reservation, simple) = (held(&["A", "B"], false), [held(&["A"], true), held(&["A"], true)]);
    let situation = Situation {
        items: vec![(id("A"), &items[0]), (id("B"), &items[1])],
        stores: vec![(StoreId::main(), store), (StoreId::parse("other").expect("a store"), store)],
        reservation: Some(&reservation)
            .filter(|_| !["ReservationRequested", "StockReservationRequested"].contains(&cause)),
        simple: &simple,
    };
    let now = Timestamp::from_millis(0);
    let changes = if cause == DEADLINE {
        expire(&situation, &reservation, Timestamp::from_millis(1_000))
    } else {
        let request =
            Request { of: &of, command: &command, expected_version: None, command_id: CommandId::fresh(), now };
        decide(&situation, &request).unwrap_or_else(|rejection| panic!("{cause}: {rejection}"))
    };
    changes.iter().map(|Change { fact, .. }| fact.event_type()).collect()
}

/// Repetitions, of one fact or of two that alternate, are told once.
fn squeezed<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        once.push(name);
        for length in [1, 2] {
            if let Some(at) = once.len().checked_sub(2 * length)
                && once[at..at + length] == once[at + length..]
            {
                once.truncate(at + length);
            }
        }
    }
    once
}

/// Facts and `edges`, in the order in which a cell of the table names them.
fn told(cell: &str) -> Vec<&str> {
    let words = cell.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| Fact::EVENT_TYPES.contains(word) || *word == "edges").collect()
}

#[test]
fn the_facts_of_a_command_come_in_the_order_that_the_page_tells() {
    let table = rows(section(PAGE, "## What a command leads to"));
    let causes: Vec<&str> = table.iter().map(|row| row[0].as_str()).collect();
    let known: Vec<&str> = Command::EVENT_TYPES.into_iter().chain([DEADLINE]).collect();
    assert_same("docs/EVENTS.md, what a command leads to", &causes, &known);
    for row in &table {
        let cause = row[0].as_str();
        let names: Vec<&str> =
            decided(cause).into_iter().map(|name| if EDGES.contains(&name) { "edges" } else { name }).collect();
        assert_eq!(squeezed(&names), squeezed(&told(&row[1])), "{cause}");
    }
}

#[test]
fn repetitions_are_told_once_and_another_order_is_another() {
    assert_eq!(squeezed(&["a", "a", "b"]), ["a", "b"]);
    assert_eq!(squeezed(&["a", "b", "a", "b", "c", "c"]), ["a", "b", "c"]);
    assert_eq!(squeezed(&["a", "b", "a"]), ["a", "b", "a"]);
    assert_eq!(
        told("[StockIssued], StockReleased …; then ReservationConfirmed, edges"),
        ["StockIssued", "StockReleased", "ReservationConfirmed", "edges"]
    );
}
