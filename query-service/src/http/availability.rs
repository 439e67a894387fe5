//! `GET /inventory/items/{itemId}/availability` and `/inventory/items/sku/{sku}/availability`: what of an item is for sale
//! in which store.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::docs::AnyProblem;
use shared::id::ItemId;
use shared::problem::Problem;
use shared::read_model::{StoredItem, StoredLevel};
use shared::text::StoreId;
use utoipa::ToSchema;

use super::asked::{self, Segment, Sent};
use super::docs::DocumentProblems;
use super::{Api, answer};
use crate::cache::entry::written;
use crate::model::ReadError;

/// An item in all stores.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Availability)]
struct AvailabilityView<'a> {
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: ItemId,
    #[schema(example = "PROD-001")]
    sku: &'a str,
    /// In the order of their ids: those where the item has a level, or the one that was asked for.
    stores: Vec<AvailableAt<'a>>,
    /// In all stores, whichever was asked for.
    #[schema(minimum = 0, example = 95)]
    total_available: i64,
}

/// The stock at one store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AvailableAt<'a> {
    #[schema(example = "main")]
    store_id: &'a str,
    /// Units on hand, reserved ones included.
    #[schema(minimum = 0, example = 100)]
    quantity: i64,
    /// Units held back from sale.
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    /// `quantity` minus `reserved`.
    #[schema(minimum = 0, example = 95)]
    available: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    updated_at: Timestamp,
}

/// What is for sale of an item by its id.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/{itemId}/availability",
    operation_id = "read_availability",
    tag = "stock",
    params(
        ("itemId" = uuid::Uuid, Path, description = "The item", example = "5ba52b28-0660-54e0-a935-615efcb68195"),
        ("storeId" = Option<String>, Query, description = "Only this store; zeros if nothing was ever there", example = "main"),
    ),
    responses(
        (status = 200, description = "The levels, and what is available in all of them", body = AvailabilityView),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_id(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    respond(&api, asked::item_id(path)?, &sent).await
}

/// What is for sale of an item by its SKU.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/sku/{sku}/availability",
    operation_id = "read_availability_by_sku",
    tag = "stock",
    params(
        ("sku" = String, Path, description = "Its SKU, case-sensitive", example = "PROD-001"),
        ("storeId" = Option<String>, Query, description = "Only this store; zeros if nothing was ever there", example = "main"),
    ),
    responses(
        (status = 200, description = "The levels, and what is available in all of them", body = AvailabilityView),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_sku(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    respond(&api, asked::sku(path)?, &sent).await
}

async fn respond(api: &Api, id: ItemId, sent: &Sent) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let store = parameters.optional("storeId", |text| Ok(StoreId::parse(text)?));
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.item(id).await?;
    let stored = found.value.value.item().stored().map_err(ReadError::Unavailable)?;
    let view = written(&AvailabilityView::of(stored, store.as_ref()));
    Ok(answer::plain(found.map(|_| view)))
}

impl<'a> AvailabilityView<'a> {
    fn of(item: &'a StoredItem, store: Option<&'a StoreId>) -> Self {
        let stores = match store {
            None => item.levels.iter().map(AvailableAt::of).collect(),
            Some(store) => {
                let found = item.levels.iter().find(|level| level.store_id == store.as_str());
                vec![found.map_or_else(|| AvailableAt::nothing(store, item.updated_at), AvailableAt::of)]
            }
        };
        Self { item_id: item.id, sku: &item.sku, stores, total_available: item.quantity() - item.reserved() }
    }
}

impl<'a> AvailableAt<'a> {
    fn of(level: &'a StoredLevel) -> Self {
        Self {
            store_id: &level.store_id,
            quantity: level.quantity,
            reserved: level.reserved,
            available: level.quantity - level.reserved,
            updated_at: level.updated_at,
        }
    }

    fn nothing(store: &'a StoreId, updated_at: Timestamp) -> Self {
        Self { store_id: store.as_str(), quantity: 0, reserved: 0, available: 0, updated_at }
    }
}
