//! `POST /stores`

use axum::extract::State;
use axum::response::Response;
use shared::aggregate::AggregateId;
use shared::http::body::{Fields, text};
use shared::message::Command;
use shared::problem::Problem;
use shared::text::StoreId;
use utoipa::ToSchema;

use super::shapes::OnCreation;
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::AnyWrite;
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// A new store.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct CreateStore {
    /// The merchant's own name for it: letters, digits, `.`, `_` and `-`, the first a letter or a digit. It never
    /// changes.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "berlin")]
    store_id: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "Berlin Mitte")]
    name: String,
    /// Where it is.
    #[schema(max_length = 200, example = "Rosenthaler Straße 40, Berlin")]
    location: Option<String>,
    /// Whether it takes new reservations.
    #[schema(default = true, example = true)]
    active: Option<bool>,
}

/// Ask for a new store.
#[utoipa::path(
    post, path = "/api/v1/stores", tag = "stores", operation_id = "createStore",
    params(AnyWrite), request_body = CreateStore, responses(Accepted, OnCreation)
)]
pub(crate) async fn create(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, None).await?;
    let asked = intake.fields(asked)?;
    writes.accept(&intake, asked).await
}

fn asked(fields: &mut Fields) -> Option<Asked> {
    let store_id = fields.required("storeId", text(StoreId::parse));
    let store = readers::store_fields(fields);
    let (store_id, fields) = (store_id?, store?);
    Some(Asked::of(AggregateId::Store(store_id.clone()), Command::CreateStore { store_id, fields }))
}
