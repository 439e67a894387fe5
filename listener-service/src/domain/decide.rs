//! From a command and what is so, to the facts that follow or to the rule that says no.

use shared::id::{ItemId, ReservationId};
use shared::message::{Command, Fact, ItemDetails, LevelAfter};
use shared::outcome::RejectionCode;
use shared::quantity::{Adjustment, MAX_UNITS, PositiveQuantity, Quantity};
use shared::text::{Description, Name, Reason, Reference, Sku, StoreId};

use super::{Aggregate, Item, Level};

/// A command as far as the decision goes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Of which item.
    pub item_id: ItemId,
    /// What is asked.
    pub command: &'a Command,
    /// From `If-Match`: of the item (catalogue) or of the level (stock).
    pub expected_version: Option<u64>,
    /// Of the reservation that the command would make.
    pub reservation_id: ReservationId,
}

/// A fact, and the version of its aggregate after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub fact: Fact,
    /// Of the item, or of the level for a stock fact.
    pub version: u64,
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
pub fn decide(state: &Aggregate, request: &Request<'_>) -> Result<Vec<Change>, Rejection> {
    match request.command {
        Command::CreateItem { sku, name, description, quantity } => {
            create(state, request.item_id, sku, name, description.as_ref(), *quantity)
        }
        Command::UpdateItem { name, description } => {
            let item = expected_item(state, request)?;
            let details = ItemDetails {
                item_id: request.item_id,
                sku: item.sku.clone(),
                name: name.clone(),
                description: description.clone(),
            };
            Ok(vec![Change { fact: Fact::ItemUpdated(details), version: item.version + 1 }])
        }
        Command::DeleteItem {} => delete(state, request),
        Command::AdjustStock { store_id, quantity, reason, reference } => {
            let place = Place::expected(state, request, store_id)?;
            adjust(&place, *quantity, reason.clone(), reference.clone()).map(|change| vec![change])
        }
        Command::ReserveStock { store_id, quantity } => {
            let place = Place::expected(state, request, store_id)?;
            reserve(&place, *quantity, request.reservation_id).map(|change| vec![change])
        }
        Command::ReleaseStock { store_id, quantity } => {
            let place = Place::expected(state, request, store_id)?;
            release(&place, *quantity).map(|change| vec![change])
        }
    }
}

fn create(
    state: &Aggregate,
    item_id: ItemId,
    sku: &Sku,
    name: &Name,
    description: Option<&Description>,
    quantity: Quantity,
) -> Result<Vec<Change>, Rejection> {
    if let Some(item) = state.live() {
        let detail = format!("sku {sku} is item {item_id} already");
        return Err(Rejection { code: RejectionCode::DuplicateSku, detail, version: item.version });
    }
    let details = ItemDetails { item_id, sku: sku.clone(), name: name.clone(), description: description.cloned() };
    let version = state.item.as_ref().map_or(0, |tombstone| tombstone.version) + 1;
    let mut changes = vec![Change { fact: Fact::ItemCreated(details), version }];
    if quantity != Quantity::ZERO {
        let store = StoreId::main();
        let place = Place { item_id, sku, store: &store, level: state.level(&store) };
        changes.push(place.adjusted(quantity.units(), Some(fixed_reason("initial")), None));
    }
    Ok(changes)
}

fn delete(state: &Aggregate, request: &Request<'_>) -> Result<Vec<Change>, Rejection> {
    let item = expected_item(state, request)?;
    let reserved: i64 = state.levels.values().map(|level| level.reserved).sum();
    if reserved > 0 {
        let detail = format!("{reserved} unit(s) of {} are reserved; release them first", item.sku);
        return Err(Rejection { code: RejectionCode::ItemHasReservations, detail, version: item.version });
    }
    let item_id = request.item_id;
    let mut changes: Vec<Change> = state
        .levels
        .iter()
        .filter(|(_, level)| level.quantity > 0)
        .map(|(store, level)| {
            let place = Place { item_id, sku: &item.sku, store, level: *level };
            place.adjusted(-level.quantity, Some(fixed_reason("deleted")), None)
        })
        .collect();
    let fact = Fact::ItemDeleted { item_id, sku: item.sku.clone() };
    changes.push(Change { fact, version: item.version + 1 });
    Ok(changes)
}

fn adjust(
    place: &Place<'_>,
    adjustment: Adjustment,
    reason: Option<Reason>,
    reference: Option<Reference>,
) -> Result<Change, Rejection> {
    let after = place.level.quantity + adjustment.units();
    if after > MAX_UNITS {
        let detail = format!("{after} units would be on hand, and at most {MAX_UNITS} may be");
        return Err(place.rejected(RejectionCode::QuantityOutOfRange, detail));
    }
    if after < place.level.reserved {
        return Err(place.insufficient_stock(-adjustment.units()));
    }
    Ok(place.adjusted(adjustment.units(), reason, reference))
}

fn reserve(place: &Place<'_>, wanted: PositiveQuantity, reservation_id: ReservationId) -> Result<Change, Rejection> {
    if wanted.units() > place.level.available() {
        return Err(place.insufficient_stock(wanted.units()));
    }
    let reserved = place.level.reserved + wanted.units();
    let level = place.after(place.level.quantity, reserved);
    let fact = Fact::StockReserved { level, reserved_quantity: wanted.units(), reservation_id };
    Ok(Change { fact, version: place.level.version + 1 })
}

fn release(place: &Place<'_>, wanted: PositiveQuantity) -> Result<Change, Rejection> {
    let reserved = place.level.reserved - wanted.units();
    if reserved < 0 {
        let detail = format!("reserved {}, to release {}", place.level.reserved, wanted.units());
        return Err(place.rejected(RejectionCode::InsufficientReserved, detail));
    }
    let level = place.after(place.level.quantity, reserved);
    let fact = Fact::StockReleased { level, released_quantity: wanted.units() };
    Ok(Change { fact, version: place.level.version + 1 })
}

/// The live item at the version that the client expects.
fn expected_item<'a>(state: &'a Aggregate, request: &Request<'_>) -> Result<&'a Item, Rejection> {
    let item = live_item(state, request.item_id)?;
    match_version(request.expected_version, item.version)?;
    Ok(item)
}

fn live_item(state: &Aggregate, item_id: ItemId) -> Result<&Item, Rejection> {
    state.live().ok_or_else(|| Rejection {
        code: RejectionCode::ItemNotFound,
        detail: format!("there is no item {item_id}"),
        version: state.item.as_ref().map_or(0, |tombstone| tombstone.version),
    })
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

fn fixed_reason(reason: &str) -> Reason {
    Reason::parse(reason).expect("a short word keeps the rule")
}

/// One item at one store, with its level before the command.
struct Place<'a> {
    item_id: ItemId,
    sku: &'a Sku,
    store: &'a StoreId,
    level: Level,
}

impl<'a> Place<'a> {
    /// The level at the version that the client expects.
    fn expected(state: &'a Aggregate, request: &Request<'_>, store: &'a StoreId) -> Result<Self, Rejection> {
        let item = live_item(state, request.item_id)?;
        let level = state.level(store);
        match_version(request.expected_version, level.version)?;
        Ok(Self { item_id: request.item_id, sku: &item.sku, store, level })
    }

    fn after(&self, quantity: i64, reserved: i64) -> LevelAfter {
        LevelAfter {
            item_id: self.item_id,
            sku: self.sku.clone(),
            store_id: self.store.clone(),
            total_quantity: quantity,
            reserved_total: reserved,
            available_quantity: quantity - reserved,
        }
    }

    fn adjusted(&self, adjustment: i64, reason: Option<Reason>, reference: Option<Reference>) -> Change {
        let previous_quantity = self.level.quantity;
        let new_quantity = previous_quantity + adjustment;
        let level = self.after(new_quantity, self.level.reserved);
        let fact = Fact::StockAdjusted { level, adjustment, previous_quantity, new_quantity, reason, reference };
        Change { fact, version: self.level.version + 1 }
    }

    fn insufficient_stock(&self, requested: i64) -> Rejection {
        let detail = format!("available {}, requested {requested}", self.level.available());
        self.rejected(RejectionCode::InsufficientStock, detail)
    }

    fn rejected(&self, code: RejectionCode, detail: String) -> Rejection {
        Rejection { code, detail, version: self.level.version }
    }
}
