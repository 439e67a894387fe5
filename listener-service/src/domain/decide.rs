//! From a command and what is so, to the facts that follow or to the rule that says no.

mod catalogue;
mod reservation;
mod stock;
mod store;

use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::message::Command;
use shared::outcome::RejectionCode;
use shared::quantity::Quantity;
use shared::text::{Reason, StoreId};

use super::draft::Place;
use super::{Aggregate, Change, Item, Level, Situation, Store};

pub use reservation::expire;

/// A command as far as the decision goes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked of.
    pub of: &'a AggregateId,
    /// What is asked.
    pub command: &'a Command,
    /// From `If-Match`: of the item, the level, the reservation or the store.
    pub expected_version: Option<u64>,
    /// Names the reservation that a simple reservation makes.
    pub command_id: CommandId,
    /// The writer's clock.
    pub now: Timestamp,
}

/// A business rule said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Rejection {
    /// Which rule.
    pub code: RejectionCode,
    /// In words, with the numbers.
    pub detail: String,
    /// Of the aggregate that it was decided against; 0 if there is none.
    pub version: u64,
}

/// At least one fact, or the rejection.
pub fn decide(situation: &Situation<'_>, request: &Request<'_>) -> Result<Vec<Change>, Rejection> {
    match request.of {
        AggregateId::Item(item_id) => decide_item(situation, request, *item_id),
        AggregateId::Reservation(id) => reservation::decide(situation, request, *id),
        AggregateId::Store(id) => store::decide(situation, request, id),
    }
}

fn decide_item(situation: &Situation<'_>, request: &Request<'_>, item_id: ItemId) -> Result<Vec<Change>, Rejection> {
    let subject = Subject { situation, request, item_id };
    match request.command {
        Command::CreateItem { sku, fields, quantity } => catalogue::create(&subject, sku, fields, *quantity),
        Command::UpdateItem(fields) => catalogue::update(&subject, fields),
        Command::DeleteItem {} => catalogue::delete(&subject),
        Command::AdjustStock { store_id, quantity, reason, reference } => {
            stock::adjust(&subject, store_id, *quantity, reason.as_ref(), reference.as_ref())
        }
        Command::ReserveStock { store_id, quantity } => reservation::reserve_simply(&subject, store_id, *quantity),
        Command::ReleaseStock { store_id, quantity } => reservation::release_simply(&subject, store_id, *quantity),
        Command::CountStock { store_id, quantity, expected_quantity, reason } => {
            stock::count(&subject, store_id, *quantity, *expected_quantity, reason.as_ref())
        }
        Command::ConfigureStock { store_id, low_stock_threshold } => {
            stock::configure(&subject, store_id, *low_stock_threshold)
        }
        Command::TransferStock { from_store_id, to_store_id, quantity, reason } => {
            stock::transfer(&subject, from_store_id, to_store_id, *quantity, reason.as_ref())
        }
        Command::Reserve { .. }
        | Command::ConfirmReservation { .. }
        | Command::ExtendReservation { .. }
        | Command::ReleaseReservation {}
        | Command::CreateStore { .. }
        | Command::UpdateStore(_) => unreachable!("decoding gives a command the kind of aggregate that it is for"),
    }
}

/// A command about one item.
#[derive(Clone, Copy)]
struct Subject<'a> {
    situation: &'a Situation<'a>,
    request: &'a Request<'a>,
    item_id: ItemId,
}

impl<'a> Subject<'a> {
    fn aggregate(&self) -> Option<&'a Aggregate> {
        self.situation.item(self.item_id)
    }

    fn live_item(&self) -> Result<&'a Item, Rejection> {
        live_item(self.situation, self.item_id)
    }

    /// The live item at the version that the client expects.
    fn expected_item(&self) -> Result<&'a Item, Rejection> {
        let item = self.live_item()?;
        match_version(self.request.expected_version, item.version)?;
        Ok(item)
    }

    /// The level at the version that the client expects, of a live item at a store that exists.
    fn expected_level(&self, store: &'a StoreId) -> Result<(Place<'a>, Level), Rejection> {
        let (place, level) = self.level(store)?;
        match_version(self.request.expected_version, level.version)?;
        Ok((place, level))
    }

    fn level(&self, store: &'a StoreId) -> Result<(Place<'a>, Level), Rejection> {
        let item = self.live_item()?;
        let level = self.aggregate().map(|aggregate| aggregate.level(store)).unwrap_or_default();
        existing_store(self.situation, store).map_err(|rejection| Rejection { version: level.version, ..rejection })?;
        Ok((Place { item_id: self.item_id, sku: &item.sku, store }, level))
    }
}

fn live_item<'a>(situation: &'a Situation<'_>, item_id: ItemId) -> Result<&'a Item, Rejection> {
    let aggregate = situation.item(item_id);
    aggregate.and_then(Aggregate::live).ok_or_else(|| Rejection {
        code: RejectionCode::ItemNotFound,
        detail: format!("there is no item {item_id}"),
        version: aggregate.and_then(|aggregate| aggregate.item.as_ref()).map_or(0, |tombstone| tombstone.version),
    })
}

fn existing_store(situation: &Situation<'_>, store: &StoreId) -> Result<Store, Rejection> {
    situation.store(store).ok_or_else(|| {
        let detail = format!("there is no store {store}");
        Rejection { code: RejectionCode::StoreNotFound, detail, version: 0 }
    })
}

fn active_store(situation: &Situation<'_>, store: &StoreId) -> Result<(), Rejection> {
    if existing_store(situation, store)?.active {
        return Ok(());
    }
    let detail = format!("the store {store} takes no new reservations");
    Err(Rejection { code: RejectionCode::StoreInactive, detail, version: 0 })
}

fn match_version(expected: Option<u64>, actual: u64) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => {
            let detail = format!("expected version {expected}, actual version {actual}");
            Err(Rejection { code: RejectionCode::VersionConflict, detail, version: actual })
        }
        _ => Ok(()),
    }
}

fn insufficient_stock(level: Level, requested: i64) -> Rejection {
    let detail = format!("available {}, requested {requested}", level.available());
    Rejection { code: RejectionCode::InsufficientStock, detail, version: level.version }
}

fn fixed_reason(reason: &str) -> Reason {
    Reason::parse(reason).expect("a short word keeps the rule")
}

fn units(quantity: Option<Quantity>) -> Option<i64> {
    quantity.map(Quantity::units)
}
