//! `POST /inventory/batches`
//!
//! A row is read by the reader of its own route and becomes the same message. What is wrong with one row refuses that
//! row alone; the others go on the log in their order, and all are waited for together.

mod answer;
mod row;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use shared::http::body::{Faults, array, object};
use shared::problem::Problem;
use utoipa::ToSchema;

use answer::BatchAccepted;
pub(super) use answer::BatchResults;
use row::BatchRow;

use super::Writes;
use super::shapes::OnCreation;
use crate::headers::{AnyWrite, key_of_row};
use crate::intake::{Intake, Unread};
use crate::message::Message;

/// The most rows of one batch.
const MAX_ROWS: usize = 1000;

/// Several writes in one request.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"commands": [
    {"type": "create", "sku": "PROD-002", "name": "USB-C cable, 2 m", "quantity": 40, "idempotencyKey": "import-7-1"},
    {"type": "adjust", "sku": "PROD-002", "quantity": -1, "reason": "broken", "idempotencyKey": "import-7-2"},
]}))]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct Batch {
    /// The writes, in the order in which they are to be decided.
    #[schema(min_items = 1, max_items = 1000)]
    commands: Vec<BatchRow>,
}

/// Ask for several writes at once. Each row that is right goes on the log, in the order of the rows; each that is not is
/// refused by itself. The body may have 1 MiB.
#[utoipa::path(
    post, path = "/api/v1/inventory/batches", tag = "batches", operation_id = "writeBatch",
    params(AnyWrite), request_body = Batch, responses(BatchAccepted, OnCreation)
)]
pub(crate) async fn write(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::batch(request).await?;
    let rows = intake.fields(|fields| fields.required("commands", array(MAX_ROWS, Ok::<Value, Faults>)))?;
    let mut messages = Vec::with_capacity(rows.len());
    let mut at_fault = Vec::new();
    for (index, value) in rows.into_iter().enumerate() {
        match object(row::read)(value) {
            Ok((own_key, asked)) => {
                let from_batch = || intake.headers.idempotency_key.as_deref().map(|key| key_of_row(key, index));
                let key = own_key.or_else(from_batch);
                messages.push((index, Message::new(&intake, key.as_deref(), asked)));
            }
            Err(faults) => at_fault.push((index, faults)),
        }
    }
    let (places, messages): (Vec<usize>, Vec<Message>) = messages.into_iter().unzip();
    let appended = writes.accept_all(messages).await;
    answer::answer(places.into_iter().zip(appended), at_fault, intake.context.request_id())
}
