//! Items: created, updated, deleted.

use shared::message::{CatalogueFields, Fact, ItemDetails};
use shared::outcome::RejectionCode;
use shared::quantity::Quantity;
use shared::text::{Sku, StoreId};

use super::{Rejection, Subject, fixed_reason, units};
use crate::domain::Change;
use crate::domain::draft::{Draft, Place};

pub(super) fn create(
    subject: &Subject<'_>,
    sku: &Sku,
    fields: &CatalogueFields,
    quantity: Quantity,
) -> Result<Vec<Change>, Rejection> {
    let aggregate = subject.aggregate();
    if let Some(item) = aggregate.and_then(|aggregate| aggregate.live()) {
        let detail = format!("sku {sku} is item {} already", subject.item_id);
        return Err(Rejection { code: RejectionCode::DuplicateSku, detail, version: item.version });
    }
    let tombstone = aggregate.and_then(|aggregate| aggregate.item.as_ref());
    let store = StoreId::main();
    let mut draft = Draft::of(subject.situation);
    draft.note(Fact::ItemCreated(details(subject, sku, fields)), tombstone.map_or(0, |item| item.version) + 1);
    if quantity != Quantity::ZERO {
        let place = Place { item_id: subject.item_id, sku, store: &store };
        draft.adjust(place, quantity.units(), Some(fixed_reason("initial")), None);
    }
    Ok(draft.without_edges())
}

pub(super) fn update(subject: &Subject<'_>, fields: &CatalogueFields) -> Result<Vec<Change>, Rejection> {
    let item = subject.expected_item()?;
    let mut draft = Draft::of(subject.situation);
    draft.note(Fact::ItemUpdated(details(subject, &item.sku, fields)), item.version + 1);
    let levels = subject.aggregate().into_iter().flat_map(|aggregate| aggregate.levels.iter());
    for (store, level) in levels {
        let place = Place { item_id: subject.item_id, sku: &item.sku, store };
        draft.set_threshold(place, level.low_stock_threshold.or(units(fields.low_stock_threshold)));
    }
    Ok(draft.finish())
}

pub(super) fn delete(subject: &Subject<'_>) -> Result<Vec<Change>, Rejection> {
    let item = subject.expected_item()?;
    let levels = subject.aggregate().into_iter().flat_map(|aggregate| aggregate.levels.iter());
    let reserved: i64 = levels.clone().map(|(_, level)| level.reserved).sum();
    if reserved > 0 {
        let detail = format!("{reserved} unit(s) of {} are reserved; release them first", item.sku);
        return Err(Rejection { code: RejectionCode::ItemHasReservations, detail, version: item.version });
    }
    let mut draft = Draft::of(subject.situation);
    for (store, level) in levels.filter(|(_, level)| level.quantity > 0) {
        let place = Place { item_id: subject.item_id, sku: &item.sku, store };
        draft.adjust(place, -level.quantity, Some(fixed_reason("deleted")), None);
    }
    let fact = Fact::ItemDeleted { item_id: subject.item_id, sku: item.sku.clone() };
    draft.note(fact, item.version + 1);
    Ok(draft.without_edges())
}

fn details(subject: &Subject<'_>, sku: &Sku, fields: &CatalogueFields) -> ItemDetails {
    let CatalogueFields { name, description, category, price, low_stock_threshold } = fields.clone();
    ItemDetails { item_id: subject.item_id, sku: sku.clone(), name, description, category, price, low_stock_threshold }
}
