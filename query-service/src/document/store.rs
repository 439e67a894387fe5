//! A store as clients get it.

use serde::Serialize;
use shared::clock::Timestamp;
use shared::etag::ETag;
use shared::read_model::StoredStore;
use utoipa::ToSchema;

/// A store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Store)]
pub(crate) struct StoreView {
    #[schema(example = "main")]
    store_id: String,
    #[schema(example = "Main")]
    name: String,
    /// `null` if nobody said.
    #[schema(required, example = "Berlin")]
    location: Option<String>,
    /// Whether it takes new reservations.
    active: bool,
    /// Goes up by one with each change.
    #[schema(minimum = 1, example = 1)]
    version: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    updated_at: Timestamp,
}

/// Every store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stores)]
pub(crate) struct StoresView {
    /// In the order of their ids.
    stores: Vec<StoreView>,
}

impl StoreView {
    /// The store as clients see it, and its tag.
    pub(crate) fn of(stored: &StoredStore) -> (Self, ETag) {
        let view = Self {
            store_id: stored.store_id.clone(),
            name: stored.name.clone(),
            location: stored.location.clone(),
            active: stored.active,
            version: stored.version,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        };
        (view, ETag::Store { version: stored.version })
    }
}

impl StoresView {
    /// In this order.
    pub(crate) fn of(stores: &[StoredStore]) -> Self {
        Self { stores: stores.iter().map(|store| StoreView::of(store).0).collect() }
    }
}
