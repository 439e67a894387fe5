//! What several endpoints read from their fields. Each gives `None` only for a field that is at fault.

use serde_json::Value;
use shared::aggregate::AggregateId;
use shared::http::body::{Fault, Faults, Fields, array, flag, object, text, whole};
use shared::id::{ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, StoreFields};
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::{PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, MAX_LINES};
use shared::text::{Category, Description, Location, Name, Sku, StoreId};

use crate::message::Asked;

/// `itemId` or `sku`.
pub(super) fn item(fields: &mut Fields) -> Option<ItemId> {
    let of_sku = |sku: &str| Sku::parse(sku).map(|sku| ItemId::of(&sku));
    fields.either(("itemId", text(ItemId::parse)), ("sku", text(of_sku)))
}

/// A command of an item, where the path does not name it.
pub(super) fn of_item(fields: &mut Fields, command: fn(&mut Fields) -> Option<Command>) -> Option<Asked> {
    let item = item(fields);
    let command = command(fields);
    Some(Asked::of(AggregateId::Item(item?), command?))
}

/// A command of a reservation, where the path does not name it.
pub(super) fn of_reservation(fields: &mut Fields, command: fn(&mut Fields) -> Option<Command>) -> Option<Asked> {
    let reservation = fields.required("reservationId", text(ReservationId::parse));
    let command = command(fields);
    Some(Asked::of(AggregateId::Reservation(reservation?), command?))
}

/// `storeId`, which is `main` if it is absent.
pub(super) fn store(fields: &mut Fields) -> StoreId {
    fields.optional("storeId", text(StoreId::parse)).unwrap_or_else(StoreId::main)
}

/// All that the catalogue says of an item besides its SKU.
pub(super) fn catalogue(fields: &mut Fields) -> Option<CatalogueFields> {
    let name = fields.required("name", text(Name::parse));
    let description = fields.optional("description", text(Description::parse));
    let category = fields.optional("category", text(Category::parse));
    let price = fields.optional("price", object(price));
    let low_stock_threshold = fields.optional("lowStockThreshold", whole(Quantity::parse));
    Some(CatalogueFields { name: name?, description, category, price, low_stock_threshold })
}

fn price(fields: &mut Fields) -> Option<Price> {
    let amount_minor = fields.required("amountMinor", whole(AmountMinor::parse));
    let currency = fields.required("currency", text(Currency::parse));
    Some(Price { amount_minor: amount_minor?, currency: currency? })
}

/// So many units of one item.
pub(super) fn line(fields: &mut Fields) -> Option<Line> {
    let item_id = item(fields);
    let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
    Some(Line { item_id: item_id?, quantity: quantity? })
}

/// 1 to 100 lines.
pub(super) fn lines(value: Value) -> Result<Lines, Faults> {
    let lines = array(MAX_LINES, |value| object(line)(value))(value)?;
    Lines::parse(lines).map_err(|error| Fault::from(error).into())
}

/// All that is known of a store besides its id.
pub(super) fn store_fields(fields: &mut Fields) -> Option<StoreFields> {
    let name = fields.required("name", text(Name::parse));
    let location = fields.optional("location", text(Location::parse));
    let active = fields.optional("active", flag).unwrap_or(true);
    Some(StoreFields { name: name?, location, active })
}
