//! `POST /inventory/transfers`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fault, Fields, text, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::quantity::PositiveQuantity;
use shared::text::{Reason, StoreId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::OnCreation;
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchSource};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// Units of one item, named by `itemId` or `sku`, to move from one store to another.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "sku": "PROD-001", "fromStoreId": "main", "toStoreId": "berlin", "quantity": 20, "reason": "opening",
}))]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct TransferStock {
    /// The item by its id; `sku` must be absent then.
    #[schema(example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<Uuid>,
    /// The item by its SKU; `itemId` must be absent then.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: Option<String>,
    /// The store that units leave.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "main")]
    from_store_id: String,
    /// The store that they come to; another one.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "berlin")]
    to_store_id: String,
    /// How many units; they must be available.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 20)]
    quantity: i64,
    /// Why.
    #[schema(max_length = 200, example = "opening")]
    reason: Option<String>,
}

/// Ask to move units from one store to another.
#[utoipa::path(
    post, path = "/api/v1/inventory/transfers", tag = "stock", operation_id = "transferStock",
    params(IfMatchSource, AnyWrite), request_body = TransferStock, responses(Accepted, OnCreation)
)]
pub(crate) async fn transfer(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Stock)).await?;
    let asked = intake.fields(asked)?;
    writes.accept(&intake, asked).await
}

/// From the body, or from a row of a batch.
pub(super) fn asked(fields: &mut Fields) -> Option<Asked> {
    readers::of_item(fields, command)
}

fn command(fields: &mut Fields) -> Option<Command> {
    let from_store_id = fields.required("fromStoreId", text(StoreId::parse));
    let to_store_id = fields.required("toStoreId", text(StoreId::parse));
    let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
    let reason = fields.optional("reason", text(Reason::parse));
    if from_store_id.is_some() && from_store_id == to_store_id {
        fields.fault("toStoreId", Fault("CONTRADICTION", "must be another store than fromStoreId".to_owned()));
    }
    Some(Command::TransferStock {
        from_store_id: from_store_id?,
        to_store_id: to_store_id?,
        quantity: quantity?,
        reason,
    })
}
