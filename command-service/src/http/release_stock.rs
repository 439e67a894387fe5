//! `POST /inventory/items/{itemId}/release` and `/inventory/items/sku/{sku}/release`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::PositiveQuantity;
use utoipa::ToSchema;

use super::shapes::{ById, BySku, OnChange};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStock};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// Reserved units to give back.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct ReleaseStock {
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 5)]
    quantity: i64,
    /// The store.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        default = "main",
        example = "main"
    )]
    store_id: Option<String>,
}

/// Ask to give reserved units back.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/{itemId}/release", tag = "stock", operation_id = "releaseStock",
    params(ById, IfMatchStock, AnyWrite), request_body = ReleaseStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    release(&writes, request).await
}

/// Ask to give reserved units back, by SKU.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/sku/{sku}/release", tag = "stock by SKU", operation_id = "releaseStockBySku",
    params(BySku, IfMatchStock, AnyWrite), request_body = ReleaseStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    release(&writes, request).await
}

async fn release(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let command = intake.fields(command)?;
    writes.accept(&intake, Asked::of(intake.item(), command)).await
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Option<Command> {
    let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
    let store_id = readers::store(fields);
    Some(Command::ReleaseStock { store_id, quantity: quantity? })
}
