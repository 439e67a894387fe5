//! `PUT /stores/{storeId}`

use axum::extract::State;
use axum::response::Response;
use shared::aggregate::AggregateId;
use shared::etag::ETagKind;
use shared::http::body::{Fault, Fields, text};
use shared::message::Command;
use shared::problem::Problem;
use shared::text::StoreId;
use utoipa::ToSchema;

use super::shapes::{OnChange, TheStore};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchStore};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// All fields of a store; what is absent is cleared.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct UpdateStore {
    /// Not needed; if it is sent it must be the path's.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "berlin")]
    store_id: Option<String>,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "Berlin Mitte")]
    name: String,
    /// Where it is; absent clears it.
    #[schema(max_length = 200, example = "Rosenthaler Straße 40, 10178 Berlin")]
    location: Option<String>,
    /// Whether it takes new reservations; its stock stays if it does not. `main` always does.
    #[schema(default = true, example = true)]
    active: Option<bool>,
}

/// Ask to replace all fields of a store.
#[utoipa::path(
    put, path = "/api/v1/stores/{storeId}", tag = "stores", operation_id = "updateStore",
    params(TheStore, IfMatchStore, AnyWrite), request_body = UpdateStore, responses(Accepted, OnChange)
)]
pub(crate) async fn update(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Store)).await?;
    let command = intake.fields(|fields| command(fields, intake.store()))?;
    writes.accept(&intake, Asked::of(AggregateId::Store(intake.store().clone()), command)).await
}

fn command(fields: &mut Fields, store: &StoreId) -> Option<Command> {
    if fields.optional("storeId", text(StoreId::parse)).is_some_and(|sent| sent != *store) {
        fields.fault("storeId", Fault("CONTRADICTION", format!("must be {store}, as in the path, or absent")));
    }
    let store_fields = readers::store_fields(fields);
    if store.is_main() && store_fields.as_ref().is_some_and(|fields| !fields.active) {
        fields.fault("active", Fault("NOT_ALLOWED", format!("must be true: the store {store} stays active")));
    }
    store_fields.map(Command::UpdateStore)
}
