//! What a command is about, as it is in the tables: read before it is decided.

use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{ItemId, ReservationId};
use shared::message::{Command, RequestEnvelope};
use shared::text::StoreId;

use crate::aggregates::Aggregates;
use crate::domain::{Reservation, Situation, Store};
use crate::{reservations, stores};

/// `main` exists and stays active, so that what concerns stock need not look.
const MAIN: Store = Store { active: true, version: 0 };

#[derive(Debug, Default)]
pub(super) struct Scene {
    /// The items, which [`Aggregates`] has.
    pub(super) items: Vec<ItemId>,
    stores: Vec<(StoreId, Store)>,
    reservation: Option<Reservation>,
    simple: Vec<Reservation>,
}

impl Scene {
    pub(super) fn of(connection: &Connection, request: &RequestEnvelope, now: Timestamp) -> rusqlite::Result<Self> {
        let mut scene = Self::default();
        scene.items.extend(request.aggregate_id.item());
        match &request.data {
            Command::CreateItem { .. } | Command::UpdateItem(_) | Command::DeleteItem {} => {}
            Command::AdjustStock { store_id, .. }
            | Command::CountStock { store_id, .. }
            | Command::ConfigureStock { store_id, .. } => scene.read_store(connection, store_id)?,
            Command::ReserveStock { store_id, .. } => {
                scene.read_store(connection, store_id)?;
                scene.reservation = reservations::find(connection, ReservationId::of(request.command_id))?;
            }
            Command::TransferStock { from_store_id, to_store_id, .. } => {
                scene.read_store(connection, from_store_id)?;
                scene.read_store(connection, to_store_id)?;
            }
            Command::ReleaseStock { store_id, quantity } => {
                scene.read_store(connection, store_id)?;
                for &item in &scene.items {
                    scene.simple = reservations::simple_at(connection, item, store_id, quantity.units(), now)?;
                }
            }
            Command::Reserve { store_id, lines, .. } => {
                scene.read_store(connection, store_id)?;
                scene.read_reservation(connection, &request.aggregate_id)?;
                scene.items.extend(lines.as_slice().iter().map(|line| line.item_id));
            }
            Command::ConfirmReservation { .. } | Command::ReleaseReservation {} | Command::ExtendReservation { .. } => {
                scene.read_reservation(connection, &request.aggregate_id)?;
                let lines = scene.reservation.iter().flat_map(|reservation| &reservation.details.lines);
                scene.items.extend(lines.map(|line| line.item_id));
            }
            Command::CreateStore { .. } | Command::UpdateStore(_) => {
                if let AggregateId::Store(id) = &request.aggregate_id {
                    scene.stores.extend(stores::find(connection, id)?.map(|store| (id.clone(), store)));
                }
            }
        }
        Ok(scene)
    }

    /// Nothing but these items.
    pub(super) fn of_items(items: Vec<ItemId>) -> Self {
        Self { items, ..Self::default() }
    }

    /// With its items as `aggregates` has them.
    pub(super) fn situation<'a>(&'a self, aggregates: &'a Aggregates) -> Situation<'a> {
        Situation {
            items: self.items.iter().map(|&id| (id, aggregates.get(id))).collect(),
            stores: self.stores.clone(),
            reservation: self.reservation.as_ref(),
            simple: &self.simple,
        }
    }

    fn read_store(&mut self, connection: &Connection, id: &StoreId) -> rusqlite::Result<()> {
        let store = if id.is_main() { Some(MAIN) } else { stores::find(connection, id)? };
        self.stores.extend(store.map(|store| (id.clone(), store)));
        Ok(())
    }

    fn read_reservation(&mut self, connection: &Connection, of: &AggregateId) -> rusqlite::Result<()> {
        if let AggregateId::Reservation(id) = of {
            self.reservation = reservations::find(connection, *id)?;
        }
        Ok(())
    }
}
