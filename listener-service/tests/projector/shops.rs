//! Commands about stores, thresholds and reservations.

use shared::aggregate::AggregateId;
use shared::id::{ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, RequestEnvelope, StoreFields};
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, Ttl};
use shared::text::{Category, CustomerId, Location, Name, OrderId, Sku, StoreId};
use uuid::Uuid;

use crate::bench::{item, request, request_of};

pub(crate) fn store(id: &str) -> StoreId {
    StoreId::parse(id).expect("a store's id")
}

pub(crate) fn reservation(number: u128) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn open(id: &str) -> RequestEnvelope {
    let command = Command::CreateStore { store_id: store(id), fields: fields("A shop", true) };
    request_of(AggregateId::Store(store(id)), command)
}

pub(crate) fn change(id: &str, name: &str, is_active: bool) -> RequestEnvelope {
    request_of(AggregateId::Store(store(id)), Command::UpdateStore(fields(name, is_active)))
}

fn fields(name: &str, active: bool) -> StoreFields {
    let location = Some(Location::parse("Market place 1").expect("a location"));
    StoreFields { name: Name::parse(name).expect("a name"), location, active }
}

/// An item with a category, a price in euros and a threshold, each if there is one.
pub(crate) fn fields_of(category: Option<&str>, price: Option<i64>, threshold: Option<i64>) -> CatalogueFields {
    let currency = Currency::parse("EUR").expect("a currency");
    let price = price.map(|amount| Price { amount_minor: AmountMinor::parse(amount).expect("an amount"), currency });
    CatalogueFields {
        category: category.map(|category| Category::parse(category).expect("a category")),
        price,
        low_stock_threshold: threshold.map(units),
        ..CatalogueFields::named(Name::parse("A thing").expect("a name"))
    }
}

pub(crate) fn create_with(sku: &str, quantity: i64, fields: CatalogueFields) -> RequestEnvelope {
    let sku = Sku::parse(sku).expect("a SKU");
    request(ItemId::of(&sku), Command::CreateItem { sku, fields, quantity: units(quantity) })
}

pub(crate) fn adjust_at(sku: &str, at: &str, quantity: i64) -> RequestEnvelope {
    let quantity = Adjustment::parse(quantity).expect("an adjustment");
    request(item(sku), Command::AdjustStock { store_id: store(at), quantity, reason: None, reference: None })
}

pub(crate) fn threshold(sku: &str, at: &str, threshold: Option<i64>) -> RequestEnvelope {
    let low_stock_threshold = threshold.map(units);
    request(item(sku), Command::ConfigureStock { store_id: store(at), low_stock_threshold })
}

pub(crate) fn transfer(sku: &str, from: &str, to: &str, quantity: i64) -> RequestEnvelope {
    let (from_store_id, to_store_id) = (store(from), store(to));
    request(item(sku), Command::TransferStock { from_store_id, to_store_id, quantity: some(quantity), reason: None })
}

/// Of all these items, at `main`, for ten minutes.
pub(crate) fn reserve(id: ReservationId, order: Option<&str>, lines: &[(&str, i64)]) -> RequestEnvelope {
    let lines = lines.iter().map(|&(sku, quantity)| Line { item_id: item(sku), quantity: some(quantity) });
    let command = Command::Reserve {
        store_id: StoreId::main(),
        lines: Lines::parse(lines).expect("lines"),
        customer_id: Some(CustomerId::parse("c-1").expect("a customer")),
        order_id: order.map(|order| OrderId::parse(order).expect("an order")),
        ttl_seconds: Ttl::DEFAULT,
    };
    request_of(AggregateId::Reservation(id), command)
}

pub(crate) fn confirm(id: ReservationId, order: Option<&str>) -> RequestEnvelope {
    let order_id = order.map(|order| OrderId::parse(order).expect("an order"));
    request_of(AggregateId::Reservation(id), Command::ConfirmReservation { order_id, lines: None })
}

pub(crate) fn extend(id: ReservationId, seconds: i64) -> RequestEnvelope {
    let ttl_seconds = Ttl::parse(seconds).expect("some seconds");
    request_of(AggregateId::Reservation(id), Command::ExtendReservation { ttl_seconds })
}

pub(crate) fn cancel(id: ReservationId) -> RequestEnvelope {
    request_of(AggregateId::Reservation(id), Command::ReleaseReservation {})
}

pub(crate) fn release(sku: &str, quantity: i64) -> RequestEnvelope {
    request(item(sku), Command::ReleaseStock { store_id: StoreId::main(), quantity: some(quantity) })
}

fn units(units: i64) -> Quantity {
    Quantity::parse(units).expect("a quantity")
}

fn some(units: i64) -> PositiveQuantity {
    PositiveQuantity::parse(units).expect("a quantity")
}
