//! A naive inventory: what a merchant expects of commands, written in the simplest way and apart from the domain.
//!
//! It knows no facts, no versions and no log; what is reserved it counts anew each time it is asked. It is for holding
//! the real writer against: give both the same commands at the same times, and they must say and hold the same.
//! [`random`] makes such commands.

pub mod random;

use std::collections::BTreeMap;

use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, StoreFields};
use shared::outcome::RejectionCode;
use shared::quantity::{MAX_UNITS, Quantity};
use shared::reservation::{Line, Lines, ReservationStatus};
use shared::text::{CustomerId, Name, OrderId, Sku, StoreId};

/// A command, as somebody asks it. There is no `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// It gives a simple reservation its id.
    pub command_id: CommandId,
    /// Of what.
    pub of: AggregateId,
    /// What.
    pub command: Command,
}

/// Everything that is so.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// What the catalogue has.
    pub items: BTreeMap<ItemId, Item>,
    /// All stores.
    pub stores: BTreeMap<StoreId, StoreFields>,
    /// Where anything ever happened to stock; also of items that were deleted.
    pub levels: BTreeMap<(ItemId, StoreId), Level>,
    /// All reservations, the oldest first.
    pub reservations: Vec<Reservation>,
}

/// An item in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its SKU.
    pub sku: Sku,
    /// All else.
    pub fields: CatalogueFields,
}

/// An item at a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Units.
    pub on_hand: i64,
    /// Its own; else the item's.
    pub threshold: Option<i64>,
}

/// Units held for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The client's, or derived.
    pub id: ReservationId,
    /// Where.
    pub store: StoreId,
    /// For whom.
    pub customer: Option<CustomerId>,
    /// For what.
    pub order: Option<OrderId>,
    /// Whether a simple release may take from it.
    pub simple: bool,
    /// What.
    pub lines: Vec<Held>,
    /// Until when.
    pub deadline: Option<Timestamp>,
    /// Where it stands.
    pub status: ReservationStatus,
}

/// Units of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The item.
    pub item: ItemId,
    /// Units at first.
    pub quantity: i64,
    /// Of these, issued.
    pub confirmed: i64,
    /// Of these, given back.
    pub released: i64,
}

impl Held {
    const fn left(self) -> i64 {
        self.quantity - self.confirmed - self.released
    }
}

impl Reservation {
    fn is_pending(&self) -> bool {
        self.status == ReservationStatus::Pending
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.is_pending() && self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn left_of(&self, item: ItemId) -> i64 {
        self.lines.iter().filter(|line| line.item == item).map(|line| line.left()).sum()
    }

    fn end(&mut self, status: ReservationStatus) {
        self.status = status;
        for line in &mut self.lines {
            line.released += line.left();
        }
    }
}

impl Default for Inventory {
    fn default() -> Self {
        let main = StoreFields { name: Name::parse("Main").expect("a name"), location: None, active: true };
        Self {
            items: BTreeMap::new(),
            stores: BTreeMap::from([(StoreId::main(), main)]),
            levels: BTreeMap::new(),
            reservations: Vec::new(),
        }
    }
}

impl Inventory {
    /// Does what is asked, or says why not and changes nothing.
    pub fn apply(&mut self, asked: &Asked, now: Timestamp) -> Result<(), RejectionCode> {
        if let Some(objection) = self.objections(asked, now).first() {
            return Err(*objection);
        }
        self.perform(asked, now);
        Ok(())
    }

    /// Gives back what reservations hold whose deadline has come, and says whose.
    pub fn expire(&mut self, now: Timestamp) -> Vec<ReservationId> {
        let due = self.reservations.iter_mut().filter(|reservation| reservation.is_due(now));
        due.map(|reservation| {
            reservation.end(ReservationStatus::Expired);
            reservation.id
        })
        .collect()
    }

    /// Gives back what one reservation holds. `false` if it is not there, has ended, or its deadline has not come.
    pub fn expire_one(&mut self, id: ReservationId, now: Timestamp) -> bool {
        let due = self.reservations.iter_mut().find(|reservation| reservation.id == id && reservation.is_due(now));
        due.map(|reservation| reservation.end(ReservationStatus::Expired)).is_some()
    }

    /// Units on hand.
    pub fn on_hand(&self, item: ItemId, store: &StoreId) -> i64 {
        self.levels.get(&(item, store.clone())).map_or(0, |level| level.on_hand)
    }

    /// Units that pending reservations hold.
    pub fn reserved(&self, item: ItemId, store: &StoreId) -> i64 {
        let pending = self.reservations.iter().filter(|one| one.is_pending() && one.store == *store);
        pending.map(|one| one.left_of(item)).sum()
    }

    /// Units for sale.
    pub fn available(&self, item: ItemId, store: &StoreId) -> i64 {
        self.on_hand(item, store) - self.reserved(item, store)
    }

    /// The reservation with this id.
    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.iter().find(|reservation| reservation.id == id)
    }

    /// Where no more is available than the threshold.
    pub fn low_stock(&self) -> Vec<(ItemId, StoreId)> {
        let is_low = |(item, store): &(ItemId, StoreId), level: &Level| {
            let of_item = |item: &Item| level.threshold.or(item.fields.low_stock_threshold.map(Quantity::units));
            let threshold = self.items.get(item).and_then(of_item);
            threshold.is_some_and(|threshold| self.available(*item, store) <= threshold)
        };
        self.levels.iter().filter(|(place, level)| is_low(place, level)).map(|(place, _)| place.clone()).collect()
    }

    /// What the units on hand cost, in minor units by currency.
    pub fn value(&self) -> BTreeMap<String, i128> {
        let mut value = BTreeMap::new();
        for ((item, _), level) in &self.levels {
            if let Some(price) = self.items.get(item).and_then(|item| item.fields.price) {
                let amount = i128::from(level.on_hand) * i128::from(price.amount_minor.minor());
                *value.entry(price.currency.code().to_owned()).or_default() += amount;
            }
        }
        value
    }

    /// Every rule that the command breaks, in the order of which the first is told. More than one is rare, and which of
    /// them is told first matters to nobody.
    pub fn objections(&self, asked: &Asked, now: Timestamp) -> Vec<RejectionCode> {
        use RejectionCode as No;
        let item = asked.of.item().unwrap_or(ItemId::from_uuid(uuid::Uuid::nil()));
        let missing = |stores: &[&StoreId]| {
            let no_item = (!self.items.contains_key(&item)).then_some(No::ItemNotFound);
            let no_store = stores.iter().any(|store| !self.stores.contains_key(store)).then_some(No::StoreNotFound);
            no_item.into_iter().chain(no_store)
        };
        let when = |is_so: bool, code: RejectionCode| is_so.then_some(code);
        match &asked.command {
            Command::CreateItem { .. } => when(self.items.contains_key(&item), No::DuplicateSku).into_iter().collect(),
            Command::UpdateItem(_) => missing(&[]).collect(),
            Command::DeleteItem {} => {
                let is_reserved = self.stores.keys().any(|store| self.reserved(item, store) > 0);
                missing(&[]).chain(when(is_reserved, No::ItemHasReservations)).collect()
            }
            Command::AdjustStock { store_id, quantity, .. } => {
                let after = self.on_hand(item, store_id) + quantity.units();
                let too_little = when(after < self.reserved(item, store_id), No::InsufficientStock);
                missing(&[store_id]).chain(too_little).chain(when(after > MAX_UNITS, No::QuantityOutOfRange)).collect()
            }
            Command::ReserveStock { store_id, quantity } => {
                self.against_reserving(asked, store_id, &[Line { item_id: item, quantity: *quantity }])
            }
            Command::ReleaseStock { store_id, quantity } => {
                let held: i64 = self.releasable(item, store_id, now).map(|one| one.left_of(item)).sum();
                missing(&[store_id]).chain(when(held < quantity.units(), No::InsufficientReserved)).collect()
            }
            Command::CountStock { store_id, quantity, expected_quantity, .. } => {
                let on_hand = self.on_hand(item, store_id);
                let changed = expected_quantity.is_some_and(|expected| expected.units() != on_hand);
                let too_little = quantity.units() < self.reserved(item, store_id);
                let why = when(changed, No::QuantityChanged).into_iter().chain(when(too_little, No::InsufficientStock));
                missing(&[store_id]).chain(why).collect()
            }
            Command::ConfigureStock { store_id, .. } => missing(&[store_id]).collect(),
            Command::TransferStock { from_store_id, to_store_id, quantity, .. } => {
                let too_little = self.available(item, from_store_id) < quantity.units();
                let too_much = self.on_hand(item, to_store_id) + quantity.units() > MAX_UNITS;
                let why = when(too_little, No::InsufficientStock).into_iter();
                let why = why.chain(when(too_much, No::QuantityOutOfRange));
                missing(&[from_store_id, to_store_id]).chain(why).collect()
            }
            Command::Reserve { store_id, lines, .. } => self.against_reserving(asked, store_id, lines.as_slice()),
            Command::ConfirmReservation { lines, .. } => self.against_ending(&asked.of, lines.as_ref(), now),
            Command::ExtendReservation { .. } | Command::ReleaseReservation {} => {
                self.against_ending(&asked.of, None, now)
            }
            Command::CreateStore { store_id, .. } => {
                when(self.stores.contains_key(store_id), No::StoreExists).into_iter().collect()
            }
            Command::UpdateStore(_) => when(self.store_of(asked).is_none(), No::StoreNotFound).into_iter().collect(),
        }
    }

    fn against_reserving(&self, asked: &Asked, store: &StoreId, lines: &[Line]) -> Vec<RejectionCode> {
        let mut why = Vec::new();
        match self.stores.get(store) {
            None => why.push(RejectionCode::StoreNotFound),
            Some(fields) if !fields.active => why.push(RejectionCode::StoreInactive),
            Some(_) => {}
        }
        if self.reservation(made_by(asked)).is_some() {
            why.push(RejectionCode::ReservationExists);
        }
        if lines.iter().any(|line| !self.items.contains_key(&line.item_id)) {
            why.push(RejectionCode::ItemNotFound);
        }
        if lines.iter().any(|line| self.available(line.item_id, store) < line.quantity.units()) {
            why.push(RejectionCode::InsufficientStock);
        }
        why
    }

    fn against_ending(&self, of: &AggregateId, lines: Option<&Lines>, now: Timestamp) -> Vec<RejectionCode> {
        let found = self.reservations.iter().find(|one| AggregateId::Reservation(one.id) == *of);
        let Some(reservation) = found else { return vec![RejectionCode::ReservationNotFound] };
        match reservation.status {
            ReservationStatus::Confirmed => vec![RejectionCode::ReservationAlreadyConfirmed],
            ReservationStatus::Released => vec![RejectionCode::ReservationAlreadyReleased],
            ReservationStatus::Expired => vec![RejectionCode::ReservationExpired],
            ReservationStatus::Pending if reservation.is_due(now) => vec![RejectionCode::ReservationExpired],
            ReservationStatus::Pending => {
                let more = |line: &Line| line.quantity.units() > reservation.left_of(line.item_id);
                let too_many = lines.is_some_and(|lines| lines.as_slice().iter().any(more));
                too_many.then_some(RejectionCode::InsufficientReserved).into_iter().collect()
            }
        }
    }

    /// What a simple release may take from, the oldest first.
    fn releasable(&self, item: ItemId, store: &StoreId, now: Timestamp) -> impl Iterator<Item = &Reservation> {
        let may = move |one: &&Reservation| one.simple && one.is_pending() && !one.is_due(now);
        self.reservations.iter().filter(may).filter(move |one| one.store == *store && one.left_of(item) > 0)
    }

    fn store_of(&self, asked: &Asked) -> Option<&StoreId> {
        self.stores.keys().find(|store| AggregateId::Store((*store).clone()) == asked.of)
    }

    /// Nothing speaks against it.
    fn perform(&mut self, asked: &Asked, now: Timestamp) {
        let item = asked.of.item().unwrap_or(ItemId::from_uuid(uuid::Uuid::nil()));
        match &asked.command {
            Command::CreateItem { sku, fields, quantity } => {
                self.items.insert(item, Item { sku: sku.clone(), fields: fields.clone() });
                if quantity.units() > 0 {
                    self.level(item, &StoreId::main()).on_hand += quantity.units();
                }
            }
            Command::UpdateItem(fields) => {
                self.items.entry(item).and_modify(|known| known.fields = fields.clone());
            }
            Command::DeleteItem {} => {
                self.items.remove(&item);
                for ((_, _), level) in self.levels.iter_mut().filter(|((of, _), _)| *of == item) {
                    level.on_hand = 0;
                }
            }
            Command::AdjustStock { store_id, quantity, .. } => self.level(item, store_id).on_hand += quantity.units(),
            Command::ReserveStock { store_id, quantity } => {
                let lines = [Line { item_id: item, quantity: *quantity }];
                self.hold(asked, store_id, &lines, |one| one.simple = true);
            }
            Command::ReleaseStock { store_id, quantity } => self.release(item, store_id, quantity.units(), now),
            Command::CountStock { store_id, quantity, .. } => self.level(item, store_id).on_hand = quantity.units(),
            Command::ConfigureStock { store_id, low_stock_threshold } => {
                self.level(item, store_id).threshold = low_stock_threshold.map(Quantity::units);
            }
            Command::TransferStock { from_store_id, to_store_id, quantity, .. } => {
                self.level(item, from_store_id).on_hand -= quantity.units();
                self.level(item, to_store_id).on_hand += quantity.units();
            }
            Command::Reserve { store_id, lines, customer_id, order_id, ttl_seconds } => {
                self.hold(asked, store_id, lines.as_slice(), |one| {
                    (one.customer, one.order) = (customer_id.clone(), order_id.clone());
                    one.deadline = Some(now.plus_millis(ttl_seconds.millis()));
                });
            }
            Command::ConfirmReservation { order_id, lines } => {
                self.confirm(&asked.of, order_id.as_ref(), lines.as_ref());
            }
            Command::ExtendReservation { ttl_seconds } => {
                let deadline = now.plus_millis(ttl_seconds.millis());
                self.with(&asked.of, |one| one.deadline = Some(deadline));
            }
            Command::ReleaseReservation {} => self.with(&asked.of, |one| one.end(ReservationStatus::Released)),
            Command::CreateStore { store_id, fields } => {
                self.stores.insert(store_id.clone(), fields.clone());
            }
            Command::UpdateStore(fields) => {
                if let Some(store) = self.store_of(asked).cloned() {
                    self.stores.insert(store, fields.clone());
                }
            }
        }
    }

    fn level(&mut self, item: ItemId, store: &StoreId) -> &mut Level {
        self.levels.entry((item, store.clone())).or_default()
    }

    fn with(&mut self, of: &AggregateId, change: impl FnOnce(&mut Reservation)) {
        if let Some(found) = self.reservations.iter_mut().find(|one| AggregateId::Reservation(one.id) == *of) {
            change(found);
        }
    }

    fn hold(&mut self, asked: &Asked, store: &StoreId, lines: &[Line], more: impl FnOnce(&mut Reservation)) {
        let held =
            |line: &Line| Held { item: line.item_id, quantity: line.quantity.units(), confirmed: 0, released: 0 };
        let mut reservation = Reservation {
            id: made_by(asked),
            store: store.clone(),
            customer: None,
            order: None,
            simple: false,
            lines: lines.iter().map(held).collect(),
            deadline: None,
            status: ReservationStatus::Pending,
        };
        more(&mut reservation);
        self.reservations.push(reservation);
    }

    fn release(&mut self, item: ItemId, store: &StoreId, mut units: i64, now: Timestamp) {
        let oldest_first: Vec<ReservationId> = self.releasable(item, store, now).map(|one| one.id).collect();
        for id in oldest_first {
            self.with(&AggregateId::Reservation(id), |one| {
                let given = units.min(one.left_of(item));
                units -= given;
                // A simple reservation has one line.
                one.lines.iter_mut().for_each(|line| line.released += given);
                if one.left_of(item) == 0 {
                    one.end(ReservationStatus::Released);
                }
            });
            if units == 0 {
                break;
            }
        }
    }

    fn confirm(&mut self, of: &AggregateId, order: Option<&OrderId>, lines: Option<&Lines>) {
        let mut issued = Vec::new();
        self.with(of, |one| {
            for line in &mut one.lines {
                let named = lines.map(|lines| lines.as_slice().iter().find(|named| named.item_id == line.item));
                let units = named.map_or(line.left(), |named| named.map_or(0, |named| named.quantity.units()));
                line.confirmed += units;
                issued.push((line.item, one.store.clone(), units));
            }
            one.order = order.cloned().or(one.order.take());
            one.end(ReservationStatus::Confirmed);
        });
        for (item, store, units) in issued {
            self.level(item, &store).on_hand -= units;
        }
    }
}

/// A client's own id for a reservation is what it asks of; a simple one has an id that follows from the command's.
fn made_by(asked: &Asked) -> ReservationId {
    if let AggregateId::Reservation(id) = asked.of { id } else { ReservationId::of(asked.command_id) }
}

#[cfg(test)]
mod tests;
