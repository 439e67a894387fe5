//! An item as it is kept: the document, and what is sent of it most, written out once.

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;
use shared::etag::ETag;
use shared::read_model::StoredItem;
use shared::text::StoreId;

use crate::document::{ItemView, LevelView};

/// Answers from it need no serialisation.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The item with its stock summed.
    pub(crate) item: Written,
    /// Its stock at `main`, until stores exist the only one.
    pub(crate) stock: Written,
    /// The same, for a cart.
    pub(crate) level: LevelView,
}

/// A body and its tag, as they are sent.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Entry {
    /// Writes the views of the item.
    pub(crate) fn of(stored: &StoredItem) -> Self {
        let (item, item_tag) = ItemView::of(stored);
        let (level, level_tag) = LevelView::of(stored, &StoreId::main());
        Self { item: Written::of(&item, item_tag), stock: Written::of(&level, level_tag), level }
    }
}

impl Written {
    fn of(view: &impl Serialize, etag: ETag) -> Self {
        let etag = HeaderValue::from_str(&etag.to_string()).expect("a tag is visible ASCII");
        Self { body: written(view), etag }
    }
}

/// JSON.
pub(crate) fn written(view: &impl Serialize) -> Bytes {
    serde_json::to_vec(view).expect("text and numbers always serialise").into()
}
