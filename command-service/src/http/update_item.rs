//! `PUT /inventory/items/{itemId}` and `/inventory/items/sku/{sku}`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::Fields;
use shared::message::Command;
use shared::problem::Problem;
use utoipa::ToSchema;

use super::shapes::{ById, BySku, OnChange, Price};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchItem};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// All catalogue fields of an item; what is absent is cleared.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct UpdateItem {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "USB-C cable, 1 m, black")]
    name: String,
    /// May hold line breaks; absent clears it.
    #[schema(max_length = 2000, example = "Braided, 100 W")]
    description: Option<String>,
    /// What kind of thing it is, in the merchant's own words; absent clears it.
    #[schema(min_length = 1, max_length = 100, example = "Cables")]
    category: Option<String>,
    /// What one unit costs; absent clears it.
    price: Option<Price>,
    /// A stock level is low when no more than this is available, unless it has a threshold of its own; absent clears it.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 10)]
    low_stock_threshold: Option<i64>,
}

/// Ask to replace an item's catalogue fields.
#[utoipa::path(
    put, path = "/api/v1/inventory/items/{itemId}", tag = "items", operation_id = "updateItem",
    params(ById, IfMatchItem, AnyWrite), request_body = UpdateItem, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    update(&writes, request).await
}

/// Ask to replace an item's catalogue fields, by its SKU.
#[utoipa::path(
    put, path = "/api/v1/inventory/items/sku/{sku}", tag = "items by SKU", operation_id = "updateItemBySku",
    params(BySku, IfMatchItem, AnyWrite), request_body = UpdateItem, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    update(&writes, request).await
}

async fn update(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Item)).await?;
    let command = intake.fields(command)?;
    writes.accept(&intake, Asked::of(intake.item(), command)).await
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Option<Command> {
    readers::catalogue(fields).map(Command::UpdateItem)
}
