//! `POST /inventory/items`

use axum::extract::State;
use axum::response::Response;
use shared::aggregate::AggregateId;
use shared::http::body::{Fields, text, whole};
use shared::id::ItemId;
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::Quantity;
use shared::text::Sku;
use utoipa::ToSchema;

use super::shapes::{OnCreation, Price};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::AnyWrite;
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// A new item.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct CreateItem {
    /// The merchant's own name for it: letters, digits, `.`, `_` and `-`, the first a letter or a digit. It never
    /// changes, and the item's id follows from it.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "USB-C cable, 1 m")]
    name: String,
    /// May hold line breaks.
    #[schema(max_length = 2000, example = "Braided, 60 W")]
    description: Option<String>,
    /// What kind of thing it is, in the merchant's own words.
    #[schema(min_length = 1, max_length = 100, example = "Cables")]
    category: Option<String>,
    /// What one unit costs.
    price: Option<Price>,
    /// A stock level is low when no more than this is available, unless it has a threshold of its own.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 10)]
    low_stock_threshold: Option<i64>,
    /// Initial stock at the store `main`.
    #[schema(minimum = 0, maximum = 1_000_000_000, default = 0, example = 100)]
    quantity: Option<i64>,
}

/// Ask for a new item.
#[utoipa::path(
    post, path = "/api/v1/inventory/items", tag = "items", operation_id = "createItem",
    params(AnyWrite), request_body = CreateItem, responses(Accepted, OnCreation)
)]
pub(crate) async fn create(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, None).await?;
    let asked = intake.fields(asked)?;
    writes.accept(&intake, asked).await
}

/// From the body, or from a row of a batch.
pub(super) fn asked(fields: &mut Fields) -> Option<Asked> {
    let sku = fields.required("sku", text(Sku::parse));
    let catalogue = readers::catalogue(fields);
    let quantity = fields.optional("quantity", whole(Quantity::parse)).unwrap_or_default();
    let (sku, fields) = (sku?, catalogue?);
    Some(Asked::of(AggregateId::Item(ItemId::of(&sku)), Command::CreateItem { sku, fields, quantity }))
}
