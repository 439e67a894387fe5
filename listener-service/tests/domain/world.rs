//! What is so after some commands, kept by the facts alone.

use std::collections::BTreeMap;

use listener_service::domain::{
    Aggregate, Change, Level, Rejection, Request, Reservation, Situation, Store, decide, expire,
};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, IdempotencyId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, Fact, StoreFields};
use shared::outcome::RejectionCode;
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, ReservationStatus, Ttl};
use shared::text::{Name, Sku, StoreId};

/// Facts as the tests name them: event type and version.
pub(crate) type Seen = Vec<(&'static str, u64)>;

#[derive(Default)]
pub(crate) struct World {
    items: BTreeMap<ItemId, Aggregate>,
    stores: BTreeMap<StoreId, Store>,
    pub(crate) reservations: Vec<Reservation>,
    /// Milliseconds.
    pub(crate) now: i64,
    commands: u64,
    pub(crate) expected: Option<u64>,
}

impl World {
    /// With the store `main`.
    pub(crate) fn new() -> Self {
        let stores = BTreeMap::from([(StoreId::main(), Store { active: true, version: 1 })]);
        Self { stores, now: 1_000_000, ..Self::default() }
    }

    /// After `commands`, all of which must be allowed.
    pub(crate) fn given(commands: impl IntoIterator<Item = Asked>) -> Self {
        let mut world = Self::new();
        for asked in commands {
            world.done(&asked);
        }
        world
    }

    /// A command that must be allowed, and the facts that followed.
    pub(crate) fn done(&mut self, asked: &Asked) -> Vec<Change> {
        let changes = self.decide(asked).unwrap_or_else(|rejection| panic!("{rejection} of {:?}", asked.command));
        self.evolve(&changes);
        changes
    }

    /// What would follow.
    pub(crate) fn when(&self, asked: &Asked) -> Result<Seen, RejectionCode> {
        self.decide(asked).map(|changes| seen(&changes)).map_err(|rejection| rejection.code)
    }

    /// What would follow if the client expected this version.
    pub(crate) fn when_at(&mut self, version: u64, asked: &Asked) -> Result<Seen, RejectionCode> {
        self.expected = Some(version);
        let seen = self.when(asked);
        self.expected = None;
        seen
    }

    pub(crate) fn decide(&self, asked: &Asked) -> Result<Vec<Change>, Rejection> {
        let key = IdempotencyId::of("test", "", "", &self.commands.to_string());
        let request = Request {
            of: &asked.of,
            command: &asked.command,
            expected_version: self.expected,
            command_id: CommandId::of(key, ""),
            now: Timestamp::from_millis(self.now),
        };
        let named = match &asked.of {
            AggregateId::Reservation(id) => self.reservation(*id),
            AggregateId::Item(_) | AggregateId::Store(_) => None,
        };
        let simple: Vec<Reservation> = self.reservations.iter().filter(|r| is_simple_at(r, asked)).cloned().collect();
        decide(&Situation { reservation: named, simple: &simple, ..self.situation() }, &request)
    }

    /// What follows from the reservation's deadline.
    pub(crate) fn expiry(&self, id: ReservationId) -> Vec<Change> {
        let reservation = self.reservation(id).expect("it exists");
        expire(&self.situation(), reservation, Timestamp::from_millis(self.now))
    }

    pub(crate) fn evolve(&mut self, changes: &[Change]) {
        self.commands += 1;
        for change in changes {
            if let AggregateId::Item(id) = change.fact.aggregate() {
                self.items.entry(id).or_default().evolve(change);
            }
            if let Fact::StoreCreated(store) | Fact::StoreUpdated(store) = &change.fact {
                self.stores.insert(store.store_id.clone(), Store { active: store.active, version: change.version });
            }
            self.evolve_reservation(change);
        }
    }

    fn evolve_reservation(&mut self, change: &Change) {
        let (Fact::ReservationCreated(details)
        | Fact::ReservationConfirmed(details)
        | Fact::ReservationReleased(details)
        | Fact::ReservationExpired(details)
        | Fact::ReservationExtended(details)) = &change.fact
        else {
            return;
        };
        let deadline_by = details.expires_at.map(|_| EventId::of_expiry(details.reservation_id, 0));
        let reservation = Reservation { details: details.clone(), deadline_by, version: change.version };
        match self.reservations.iter_mut().find(|known| known.details.reservation_id == details.reservation_id) {
            Some(known) => {
                assert_eq!(change.version, known.version + 1);
                *known = reservation;
            }
            None => self.reservations.push(reservation),
        }
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            items: self.items.iter().map(|(id, aggregate)| (*id, aggregate)).collect(),
            stores: self.stores.iter().map(|(id, store)| (id.clone(), *store)).collect(),
            ..Situation::default()
        }
    }

    pub(crate) fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.iter().find(|known| known.details.reservation_id == id)
    }

    pub(crate) fn level(&self, sku: &str, store: &str) -> Level {
        self.items.get(&item(sku)).map(|aggregate| aggregate.level(&store_id(store))).unwrap_or_default()
    }

    /// Quantity and reserved.
    pub(crate) fn stock(&self, sku: &str, store: &str) -> (i64, i64) {
        let level = self.level(sku, store);
        (level.quantity, level.reserved)
    }
}

fn is_simple_at(reservation: &Reservation, asked: &Asked) -> bool {
    let Command::ReleaseStock { store_id, .. } = &asked.command else { return false };
    let details = &reservation.details;
    let of = details.lines.iter().any(|line| AggregateId::Item(line.item_id) == asked.of);
    details.status == ReservationStatus::Pending && details.simple && of && details.store_id == *store_id
}

pub(crate) fn seen(changes: &[Change]) -> Seen {
    changes.iter().map(|change| (change.fact.event_type(), change.version)).collect()
}

/// A command, and what it is asked of.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) of: AggregateId,
    pub(crate) command: Command,
}

pub(crate) fn item(sku: &str) -> ItemId {
    ItemId::of(&Sku::parse(sku).expect("valid"))
}

pub(crate) fn store_id(store: &str) -> StoreId {
    StoreId::parse(store).expect("valid")
}

fn of_item(sku: &str, command: Command) -> Asked {
    Asked { of: AggregateId::Item(item(sku)), command }
}

pub(crate) fn name(name: &str) -> Name {
    Name::parse(name).expect("valid")
}

pub(crate) fn units(quantity: i64) -> PositiveQuantity {
    PositiveQuantity::parse(quantity).expect("valid")
}

pub(crate) fn create(sku: &str, quantity: i64) -> Asked {
    create_with(sku, quantity, CatalogueFields::named(name("Cable")))
}

pub(crate) fn create_with(sku: &str, quantity: i64, fields: CatalogueFields) -> Asked {
    let quantity = Quantity::parse(quantity).expect("valid");
    of_item(sku, Command::CreateItem { sku: Sku::parse(sku).expect("valid"), fields, quantity })
}

pub(crate) fn update(sku: &str) -> Asked {
    update_with(sku, CatalogueFields::named(name("Other")))
}

pub(crate) fn update_with(sku: &str, fields: CatalogueFields) -> Asked {
    of_item(sku, Command::UpdateItem(fields))
}

pub(crate) fn low_at(threshold: i64) -> CatalogueFields {
    CatalogueFields { low_stock_threshold: Quantity::parse(threshold).ok(), ..CatalogueFields::named(name("Cable")) }
}

pub(crate) fn priced(minor: i64, currency: &str) -> CatalogueFields {
    let price = Price {
        amount_minor: AmountMinor::parse(minor).expect("valid"),
        currency: Currency::parse(currency).expect("valid"),
    };
    CatalogueFields { price: Some(price), ..CatalogueFields::named(name("Cable")) }
}

pub(crate) fn delete(sku: &str) -> Asked {
    of_item(sku, Command::DeleteItem {})
}

pub(crate) fn adjust(sku: &str, store: &str, quantity: i64) -> Asked {
    let quantity = Adjustment::parse(quantity).expect("valid");
    let store_id = store_id(store);
    of_item(sku, Command::AdjustStock { store_id, quantity, reason: None, reference: None })
}

pub(crate) fn reserve(sku: &str, store: &str, quantity: i64) -> Asked {
    of_item(sku, Command::ReserveStock { store_id: store_id(store), quantity: units(quantity) })
}

pub(crate) fn release(sku: &str, store: &str, quantity: i64) -> Asked {
    of_item(sku, Command::ReleaseStock { store_id: store_id(store), quantity: units(quantity) })
}

pub(crate) fn count(sku: &str, store: &str, quantity: i64, expected: Option<i64>) -> Asked {
    let expected_quantity = expected.map(|expected| Quantity::parse(expected).expect("valid"));
    let quantity = Quantity::parse(quantity).expect("valid");
    of_item(sku, Command::CountStock { store_id: store_id(store), quantity, expected_quantity, reason: None })
}

pub(crate) fn hold_to(sku: &str, store: &str, threshold: Option<i64>) -> Asked {
    let low_stock_threshold = threshold.map(|threshold| Quantity::parse(threshold).expect("valid"));
    of_item(sku, Command::ConfigureStock { store_id: store_id(store), low_stock_threshold })
}

pub(crate) fn transfer(sku: &str, from: &str, to: &str, quantity: i64) -> Asked {
    let (from_store_id, to_store_id) = (store_id(from), store_id(to));
    of_item(sku, Command::TransferStock { from_store_id, to_store_id, quantity: units(quantity), reason: None })
}

pub(crate) fn lines(wanted: &[(&str, i64)]) -> Lines {
    Lines::parse(wanted.iter().map(|(sku, quantity)| Line { item_id: item(sku), quantity: units(*quantity) }))
        .expect("valid")
}

/// A buyer's reservation of ten seconds.
pub(crate) fn hold(id: u128, store: &str, wanted: &[(&str, i64)]) -> Asked {
    let command = Command::Reserve {
        store_id: store_id(store),
        lines: lines(wanted),
        customer_id: None,
        order_id: None,
        ttl_seconds: Ttl::parse(10).expect("valid"),
    };
    of_reservation(id, command)
}

pub(crate) fn of_reservation(id: u128, command: Command) -> Asked {
    Asked { of: AggregateId::Reservation(reservation(id)), command }
}

pub(crate) fn reservation(id: u128) -> ReservationId {
    ReservationId::from_uuid(uuid::Uuid::from_u128(id))
}

pub(crate) fn confirm(id: u128, wanted: Option<&[(&str, i64)]>) -> Asked {
    of_reservation(id, Command::ConfirmReservation { order_id: None, lines: wanted.map(lines) })
}

pub(crate) fn extend(id: u128, seconds: i64) -> Asked {
    of_reservation(id, Command::ExtendReservation { ttl_seconds: Ttl::parse(seconds).expect("valid") })
}

pub(crate) fn cancel(id: u128) -> Asked {
    of_reservation(id, Command::ReleaseReservation {})
}

pub(crate) fn open_store(store: &str) -> Asked {
    let (store_id, fields) = (store_id(store), store_fields(true));
    Asked { of: AggregateId::Store(store_id.clone()), command: Command::CreateStore { store_id, fields } }
}

pub(crate) fn change_store(store: &str, active: bool) -> Asked {
    Asked { of: AggregateId::Store(store_id(store)), command: Command::UpdateStore(store_fields(active)) }
}

fn store_fields(active: bool) -> StoreFields {
    StoreFields { name: name("A store"), location: None, active }
}
