//! `PUT /inventory/items/{itemId}/stores/{storeId}` and `/inventory/items/sku/{sku}/stores/{storeId}`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::Quantity;
use shared::text::StoreId;
use utoipa::ToSchema;

use super::Writes;
use super::shapes::{ById, BySku, OnChange, TheStore};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStock};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// What a stock level has of its own.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct ConfigureStock {
    /// The level is low when no more than this is available. `null`, which must be sent, clears it: then the item's
    /// threshold applies. It is the store's, and stays if the item is deleted and created again.
    #[schema(required, minimum = 0, maximum = 1_000_000_000, example = 5)]
    low_stock_threshold: Option<i64>,
}

/// Ask to change the settings of an item's stock at a store.
#[utoipa::path(
    put,
    path = "/api/v1/inventory/items/{itemId}/stores/{storeId}",
    tag = "stock",
    operation_id = "configureStock",
    params(ById, TheStore, IfMatchStock, AnyWrite),
    request_body = ConfigureStock,
    responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    configure(&writes, request).await
}

/// Ask to change the settings of an item's stock at a store, by SKU.
#[utoipa::path(
    put,
    path = "/api/v1/inventory/items/sku/{sku}/stores/{storeId}",
    tag = "stock by SKU",
    operation_id = "configureStockBySku",
    params(BySku, TheStore, IfMatchStock, AnyWrite),
    request_body = ConfigureStock,
    responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    configure(&writes, request).await
}

async fn configure(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let command = intake.fields(|fields| command(fields, intake.store().clone()))?;
    writes.accept(&intake, Asked::of(intake.item(), command)).await
}

fn command(fields: &mut Fields, store_id: StoreId) -> Option<Command> {
    let low_stock_threshold = fields.nullable("lowStockThreshold", whole(Quantity::parse))?;
    Some(Command::ConfigureStock { store_id, low_stock_threshold })
}
