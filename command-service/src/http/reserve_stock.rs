//! `POST /inventory/items/{itemId}/reserve` and `/inventory/items/sku/{sku}/reserve`

use axum::extract::{Request, State};
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{text, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::PositiveQuantity;
use shared::text::StoreId;
use utoipa::ToSchema;

use super::Writes;
use super::shapes::{ById, BySku, OnChange, store};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStock};
use crate::intake::Intake;

/// Units to hold back from sale.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct ReserveStock {
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 5)]
    quantity: i64,
    /// The store; until stores can be created, `main` is the only one.
    #[schema(pattern = "^main$", default = "main", example = "main")]
    store_id: Option<String>,
}

/// Ask to hold units back from sale; the answer names the reservation.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/{itemId}/reserve", tag = "stock", operation_id = "reserveStock",
    params(ById, IfMatchStock, AnyWrite), request_body = ReserveStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Request) -> Result<Response, Problem> {
    reserve(&writes, request).await
}

/// Ask to hold units back from sale; the answer names the reservation, by SKU.
#[utoipa::path(
    post, path = "/api/v1/inventory/items/sku/{sku}/reserve", tag = "stock by SKU", operation_id = "reserveStockBySku",
    params(BySku, IfMatchStock, AnyWrite), request_body = ReserveStock, responses(Accepted, OnChange)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Request) -> Result<Response, Problem> {
    reserve(&writes, request).await
}

async fn reserve(writes: &Writes, request: Request) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let command = intake.command(|mut fields| {
        let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
        let store_id = fields.optional("storeId", text(store)).unwrap_or_else(StoreId::main);
        fields.finish(|| Some(Command::ReserveStock { store_id, quantity: quantity? }))
    })?;
    writes.accept(&intake, command).await
}
