//! What the endpoints share in the document: how a path names an item, and which problems a write can answer.
//!
//! Examples fit together: run in the order create, adjust, reserve, release, update, delete, each of Swagger's
//! "Try it out" works as it stands.

use std::collections::BTreeMap;

use shared::http::body::Fault;
use shared::http::docs::problems;
use shared::problem::ProblemCode;
use shared::text::StoreId;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoParams, IntoResponses};
use uuid::Uuid;

/// The item by its id.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read for the document only; `Intake` reads the path")]
pub(super) struct ById {
    /// The item's id: UUIDv5 of its SKU.
    #[param(rename = "itemId", example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Uuid,
}

/// The item by its SKU.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read for the document only; `Intake` reads the path")]
pub(super) struct BySku {
    /// The item's SKU; case-sensitive.
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: String,
}

const ON_ANY: [ProblemCode; 6] = [
    ProblemCode::InvalidHeader,
    ProblemCode::BodyTooLarge,
    ProblemCode::ValidationFailed,
    ProblemCode::BrokerUnavailable,
    ProblemCode::OutcomeUnknown,
    ProblemCode::Internal,
];

/// What a creation can be refused with.
pub(super) struct OnCreation;

/// What a change with a JSON body can be refused with.
pub(super) struct OnChange;

/// What a deletion can be refused with.
pub(super) struct OnDeletion;

impl IntoResponses for OnCreation {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ON_ANY[..], &[ProblemCode::MalformedJson, ProblemCode::UnsupportedMediaType]].concat())
    }
}

impl IntoResponses for OnChange {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let more = [ProblemCode::InvalidId, ProblemCode::MalformedJson, ProblemCode::UnsupportedMediaType];
        problems(&[&ON_ANY[..], &more].concat())
    }
}

impl IntoResponses for OnDeletion {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ON_ANY[..], &[ProblemCode::InvalidId]].concat())
    }
}

/// Reads `storeId`: until stores can be created, `main` is the only one.
pub(super) fn store(text: &str) -> Result<StoreId, Fault> {
    let store = StoreId::parse(text)?;
    if store.is_main() {
        Ok(store)
    } else {
        Err(Fault("UNKNOWN_STORE", format!("there is no store {store}; the only one is {}", StoreId::MAIN)))
    }
}
