//! The items that everything is about, and the requests about them, as command-service makes them.

use kafka::{Header, Outgoing};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::message::{CONTENT_TYPE_JSON, CatalogueFields, Command, RequestEnvelope, fingerprint, header};
use shared::quantity::{PositiveQuantity, Quantity};
use shared::text::{Name, Sku, StoreId};

/// More than is ever reserved.
pub(crate) const ON_HAND: i64 = 900_000_000;
/// Of the rows about stock, except where they say otherwise.
pub(crate) const ITEMS: usize = 10_000;
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// In their order, also as text.
pub(crate) fn sku(n: usize) -> Sku {
    Sku::parse(&format!("BENCH-{n:07}")).expect("a SKU")
}

pub(crate) fn item(n: usize) -> ItemId {
    ItemId::of(&sku(n))
}

/// With plenty of stock.
pub(crate) fn creation(n: usize) -> RequestEnvelope {
    let (sku, name) = (sku(n), Name::parse("Thing of the bench").expect("a name"));
    let quantity = Quantity::parse(ON_HAND).expect("a quantity");
    request(item(n), Command::CreateItem { sku, fields: CatalogueFields::named(name), quantity })
}

/// Of one unit.
pub(crate) fn reservation(n: usize) -> RequestEnvelope {
    let quantity = PositiveQuantity::parse(1).expect("a quantity");
    request(item(n), Command::ReserveStock { store_id: StoreId::main(), quantity })
}

fn request(of: ItemId, command: Command) -> RequestEnvelope {
    let of = AggregateId::Item(of);
    let print = fingerprint(Some(&of), &command, None);
    RequestEnvelope::new(of, CommandId::fresh(), command, print, Timestamp::wall_clock())
}

/// A request on its way to the log.
pub(crate) struct Message {
    key: String,
    value: Vec<u8>,
    headers: [Header; 5],
}

impl Message {
    pub(crate) fn of(request: &RequestEnvelope) -> Self {
        let with = |name: &'static str, value: String| (name.into(), Some(value.into()));
        Self {
            key: request.aggregate_id.to_string(),
            value: serde_json::to_vec(request).expect("ids, numbers and text always serialise"),
            headers: [
                with(header::EVENT_TYPE, request.event_type.to_owned()),
                with(header::EVENT_ID, request.event_id.to_string()),
                with(header::TIMESTAMP, request.occurred_at.to_string()),
                with(header::TRACEPARENT, TRACEPARENT.to_owned()),
                with(header::CONTENT_TYPE, CONTENT_TYPE_JSON.to_owned()),
            ],
        }
    }

    pub(crate) fn outgoing<'a>(&'a self, topic: &'a str) -> Outgoing<'a> {
        Outgoing { topic, key: Some(self.key.as_bytes()), value: Some(&self.value), headers: &self.headers }
    }
}
