//! `POST /reservations`

use axum::extract::State;
use axum::response::Response;
use shared::aggregate::AggregateId;
use shared::http::body::{Fault, Fields, text, whole};
use shared::id::ReservationId;
use shared::message::Command;
use shared::problem::Problem;
use shared::reservation::{Lines, Ttl};
use shared::text::{CustomerId, OrderId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::{Line, OnCreation};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::AnyWrite;
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// Units to hold for a buyer, all or none: either `lines`, or `itemId` or `sku` with `quantity` for one line.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "lines": [{"sku": "PROD-001", "quantity": 2}], "storeId": "main", "customerId": "C-2041", "orderId": "A-1007",
    "ttlSeconds": 900, "reservationId": "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55",
}))]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct CreateReservation {
    /// What to hold; lines of one item are summed.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<Line>>,
    /// Of one line, the item by its id; `lines` and `sku` must be absent then.
    #[schema(example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<Uuid>,
    /// Of one line, the item by its SKU; `lines` and `itemId` must be absent then.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: Option<String>,
    /// Of one line, how many units; `lines` must be absent then.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 2)]
    quantity: Option<i64>,
    /// The store whose stock is held.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        default = "main",
        example = "main"
    )]
    store_id: Option<String>,
    /// For whom.
    #[schema(min_length = 1, max_length = 64, example = "C-2041")]
    customer_id: Option<String>,
    /// For what.
    #[schema(min_length = 1, max_length = 64, example = "A-1007")]
    order_id: Option<String>,
    /// For how long, from when it is applied.
    #[schema(minimum = 1, maximum = 86_400, default = 600, example = 900)]
    ttl_seconds: Option<i64>,
    /// The client's own id for it; without one the id follows from the command's.
    #[schema(example = "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55")]
    reservation_id: Option<Uuid>,
}

/// Ask to hold units for a buyer until a deadline; the answer names the reservation.
#[utoipa::path(
    post, path = "/api/v1/reservations", tag = "reservations", operation_id = "createReservation",
    params(AnyWrite), request_body = CreateReservation, responses(Accepted, OnCreation)
)]
pub(crate) async fn create(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, None).await?;
    let asked = intake.fields(asked)?;
    writes.accept(&intake, asked).await
}

/// From the body, or from a row of a batch.
pub(super) fn asked(fields: &mut Fields) -> Option<Asked> {
    let lines = lines(fields);
    let store_id = readers::store(fields);
    let customer_id = fields.optional("customerId", text(CustomerId::parse));
    let order_id = fields.optional("orderId", text(OrderId::parse));
    let ttl_seconds = fields.optional("ttlSeconds", whole(Ttl::parse)).unwrap_or(Ttl::DEFAULT);
    let id = fields.optional("reservationId", text(ReservationId::parse));
    let command = Command::Reserve { store_id, lines: lines?, customer_id, order_id, ttl_seconds };
    Some(Asked { of: id.map(AggregateId::Reservation), command })
}

/// In either of the two forms.
fn lines(fields: &mut Fields) -> Option<Lines> {
    const ONE_LINE: [&str; 3] = ["itemId", "sku", "quantity"];
    const LINES: &str = "lines";
    let several = fields.has(LINES);
    if !several && ONE_LINE.iter().any(|name| fields.has(name)) {
        fields.exclude(LINES, "quantity");
        return Lines::parse([readers::line(fields)?]).ok();
    }
    for name in ONE_LINE {
        fields.exclude(name, LINES);
    }
    let lines = fields.optional(LINES, readers::lines);
    if !several {
        fields.fault(LINES, Fault("REQUIRED", "is required, or itemId or sku with quantity".to_owned()));
    }
    lines
}
