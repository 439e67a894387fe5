//! `PUT /inventory/items/{itemId}` and `/inventory/items/sku/{sku}`

use axum::extract::{Request, State};
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::text;
use shared::message::Command;
use shared::problem::Problem;
use shared::text::{Description, Name};
use utoipa::ToSchema;

use super::Writes;
use super::shapes::{ById, BySku, OnChange};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchItem};
use crate::intake::Intake;

/// All catalogue fields of an item; what is absent is cleared.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct UpdateItem {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "USB-C cable, 1 m, black")]
    name: String,
    /// May hold line breaks; absent clears it.
    #[schema(max_length = 2000, example = "Braided, 100 W")]
    description: Option<String>,
}

/// Ask to replace an item's catalogue fields.
#[utoipa::path(
    put, path = "/api/v1/inventory/items/{itemId}", tag = "items", operation_id = "updateItem",
    params(ById, IfMatchItem, AnyWrite), request_body = UpdateItem, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Request) -> Result<Response, Problem> {
    update(&writes, request).await
}

/// Ask to replace an item's catalogue fields, by its SKU.
#[utoipa::path(
    put, path = "/api/v1/inventory/items/sku/{sku}", tag = "items by SKU", operation_id = "updateItemBySku",
    params(BySku, IfMatchItem, AnyWrite), request_body = UpdateItem, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Request) -> Result<Response, Problem> {
    update(&writes, request).await
}

async fn update(writes: &Writes, request: Request) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Item)).await?;
    let command = intake.command(|mut fields| {
        let name = fields.required("name", text(Name::parse));
        let description = fields.optional("description", text(Description::parse));
        fields.finish(|| Some(Command::UpdateItem { name: name?, description }))
    })?;
    writes.accept(&intake, command).await
}
