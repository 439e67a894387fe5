//! `POST /inventory/items/{itemId}/count` and `/inventory/items/sku/{sku}/count`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, text, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::Quantity;
use shared::text::Reason;
use utoipa::ToSchema;

use super::shapes::{ById, BySku, OnChange};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStock};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// What was counted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct CountStock {
    /// How many units are on hand, reserved ones included.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 124)]
    quantity: i64,
    /// How many were on hand, as far as was known, when counting began: if that is not what is on hand when the count is
    /// applied, it is rejected. `null` opts out of this, and must be sent to do so.
    #[schema(required, minimum = 0, maximum = 1_000_000_000, example = 125)]
    expected_quantity: Option<i64>,
    /// Why.
    #[schema(max_length = 200, example = "stocktaking")]
    reason: Option<String>,
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

/// Ask to set the quantity on hand to what was counted.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/{itemId}/count", tag = "stock", operation_id = "countStock",
    params(ById, IfMatchStock, AnyWrite), request_body = CountStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    count(&writes, request).await
}

/// Ask to set the quantity on hand to what was counted, by SKU.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/sku/{sku}/count", tag = "stock by SKU", operation_id = "countStockBySku",
    params(BySku, IfMatchStock, AnyWrite), request_body = CountStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    count(&writes, request).await
}

async fn count(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let command = intake.fields(command)?;
    writes.accept(&intake, Asked::of(intake.item(), command)).await
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Option<Command> {
    let quantity = fields.required("quantity", whole(Quantity::parse));
    let expected_quantity = fields.nullable("expectedQuantity", whole(Quantity::parse));
    let reason = fields.optional("reason", text(Reason::parse));
    let store_id = readers::store(fields);
    Some(Command::CountStock { store_id, quantity: quantity?, expected_quantity: expected_quantity?, reason })
}
