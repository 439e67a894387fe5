//! Documents as they are kept. What is sent of them most is written out once, so that answers from it need no
//! serialisation; the rest when somebody first asks for it.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;
use shared::etag::ETag;
use shared::read_model::{ItemDocument, StoredItem, StoredReservation, StoredStore};
use shared::text::StoreId;

use crate::document::LevelView;
use crate::document::store::StoreView;
use crate::source::SourceError;

/// A document of any kind; under a key is only one of its kind.
#[derive(Debug)]
pub(crate) enum Entry {
    Item(Box<ItemEntry>),
    /// Not written out: what is sent of it depends on the moment.
    Reservation(Box<StoredReservation>),
    Store(Written),
}

/// An item with its levels.
#[derive(Debug)]
pub(crate) struct ItemEntry {
    /// The item with its stock summed.
    pub(crate) summed: Written,
    document: ItemDocument,
    /// All of it; an error is of what was written into Redis.
    stored: OnceLock<Result<StoredItem, SourceError>>,
    /// Its stock at `main`, where most of it is asked for.
    at_main: OnceLock<Written>,
}

/// A body and its tag, as they are sent.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Entry {
    /// Keeps the text of the item.
    pub(crate) fn of_item(document: ItemDocument) -> Self {
        let etag = HeaderValue::from_maybe_shared(document.etag()).expect("a tag is visible ASCII");
        let summed = Written { body: document.shown(), etag };
        Self::Item(Box::new(ItemEntry { summed, document, stored: OnceLock::new(), at_main: OnceLock::new() }))
    }

    /// Keeps the reservation.
    pub(crate) fn of_reservation(stored: StoredReservation) -> Self {
        Self::Reservation(Box::new(stored))
    }

    /// Writes the view of the store.
    pub(crate) fn of_store(stored: &StoredStore) -> Self {
        Self::Store(Written::of(StoreView::of(stored)))
    }

    /// What is kept under the key of an item.
    pub(crate) fn item(&self) -> &ItemEntry {
        let Self::Item(item) = self else { unreachable!("an item's key keeps an item, not {self:?}") };
        item
    }

    /// What is kept under the key of a reservation.
    pub(crate) fn reservation(&self) -> &StoredReservation {
        let Self::Reservation(reservation) = self else { unreachable!("a reservation's key keeps one, not {self:?}") };
        reservation
    }

    /// What is kept under the key of a store.
    pub(crate) fn store(&self) -> &Written {
        let Self::Store(store) = self else { unreachable!("a store's key keeps a store, not {self:?}") };
        store
    }
}

impl ItemEntry {
    /// The item and its levels.
    pub(crate) fn stored(&self) -> Result<&StoredItem, SourceError> {
        let read = || self.document.item().map_err(|error| SourceError(error.to_string()));
        self.stored.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Its stock at a store.
    pub(crate) fn at(&self, store: &StoreId) -> Result<Written, SourceError> {
        let stored = self.stored()?;
        let write = || Written::of(LevelView::of(stored, store));
        Ok(if store.is_main() { self.at_main.get_or_init(write).clone() } else { write() })
    }
}

impl Written {
    /// Writes a view with its tag.
    pub(crate) fn of((view, etag): (impl Serialize, ETag)) -> Self {
        let etag = HeaderValue::from_str(&etag.to_string()).expect("a tag is visible ASCII");
        Self { body: written(&view), etag }
    }
}

/// JSON.
pub(crate) fn written(view: &impl Serialize) -> Bytes {
    serde_json::to_vec(view).expect("text and numbers always serialise").into()
}
