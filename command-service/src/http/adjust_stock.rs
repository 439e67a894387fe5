//! `POST /inventory/items/{itemId}/adjust` and `/inventory/items/sku/{sku}/adjust`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, text, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::Adjustment;
use shared::text::{Reason, Reference};
use utoipa::ToSchema;

use super::shapes::{ById, BySku, OnChange};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStock};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// A change of the quantity on hand.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct AdjustStock {
    /// By how much: added if positive, taken away if negative; not 0.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000, example = 25)]
    quantity: i64,
    /// Why.
    #[schema(max_length = 200, example = "delivery")]
    reason: Option<String>,
    /// The caller's own reference, a delivery note's number say.
    #[schema(min_length = 1, max_length = 64, example = "DN-2026-0117")]
    reference: Option<String>,
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

/// Ask to change the quantity on hand.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/{itemId}/adjust", tag = "stock", operation_id = "adjustStock",
    params(ById, IfMatchStock, AnyWrite), request_body = AdjustStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    adjust(&writes, request).await
}

/// Ask to change the quantity on hand, by SKU.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/sku/{sku}/adjust", tag = "stock by SKU", operation_id = "adjustStockBySku",
    params(BySku, IfMatchStock, AnyWrite), request_body = AdjustStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    adjust(&writes, request).await
}

async fn adjust(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let command = intake.fields(command)?;
    writes.accept(&intake, Asked::of(intake.item(), command)).await
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Option<Command> {
    let quantity = fields.required("quantity", whole(Adjustment::parse));
    let reason = fields.optional("reason", text(Reason::parse));
    let reference = fields.optional("reference", text(Reference::parse));
    let store_id = readers::store(fields);
    Some(Command::AdjustStock { store_id, quantity: quantity?, reason, reference })
}
