//! `POST /inventory/items`

use axum::extract::{Request, State};
use axum::response::Response;
use shared::http::body::{text, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::Quantity;
use shared::text::{Description, Name, Sku};
use utoipa::ToSchema;

use super::Writes;
use super::shapes::OnCreation;
use crate::accepted::Accepted;
use crate::headers::AnyWrite;
use crate::intake::Intake;

/// A new item.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
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
    /// Initial stock at the store `main`.
    #[schema(minimum = 0, maximum = 1_000_000_000, default = 0, example = 100)]
    quantity: Option<i64>,
}

/// Ask for a new item.
#[utoipa::path(
    post, path = "/api/v1/inventory/items", tag = "items", operation_id = "createItem",
    params(AnyWrite), request_body = CreateItem, responses(Accepted, OnCreation)
)]
pub(crate) async fn create(State(writes): State<Writes>, request: Request) -> Result<Response, Problem> {
    let intake = Intake::json(request, None).await?;
    let command = intake.command(|mut fields| {
        let sku = fields.required("sku", text(Sku::parse));
        let name = fields.required("name", text(Name::parse));
        let description = fields.optional("description", text(Description::parse));
        let quantity = fields.optional("quantity", whole(Quantity::parse)).unwrap_or_default();
        fields.finish(|| Some(Command::CreateItem { sku: sku?, name: name?, description, quantity }))
    })?;
    writes.accept(&intake, command).await
}
