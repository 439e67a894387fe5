//! What the endpoints share in the document: how a path names what it is about, parts of bodies, and which problems a
//! write can answer.
//!
//! Examples fit together: run in the order create item, create store, adjust, reserve, release, count, store settings,
//! transfer, create reservation, extend, confirm, update item, update store, delete item, each of Swagger's "Try it out"
//! works as it stands. A reservation that is cancelled instead of confirmed works too.

use std::collections::BTreeMap;

use shared::http::docs::problems;
use shared::problem::ProblemCode;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoParams, IntoResponses, ToSchema};
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

/// The reservation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read for the document only; `Intake` reads the path")]
pub(super) struct TheReservation {
    /// The reservation's id, as its creation was answered.
    #[param(rename = "reservationId", example = "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55")]
    reservation_id: Uuid,
}

/// The store.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read for the document only; `Intake` reads the path")]
pub(super) struct TheStore {
    /// The store's id; case-sensitive.
    #[param(
        rename = "storeId",
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "berlin"
    )]
    store_id: String,
}

/// What one unit costs.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
pub(super) struct Price {
    /// In the minor unit of the currency, cents say.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 1999)]
    amount_minor: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

/// So many units of one item, named by `itemId` or `sku`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"sku": "PROD-001", "quantity": 2}))]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
pub(super) struct Line {
    /// The item by its id; `sku` must be absent then.
    #[schema(example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<Uuid>,
    /// The item by its SKU; `itemId` must be absent then.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: Option<String>,
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 2)]
    quantity: i64,
}

const ON_ANY: [ProblemCode; 6] = [
    ProblemCode::InvalidHeader,
    ProblemCode::BodyTooLarge,
    ProblemCode::ValidationFailed,
    ProblemCode::BrokerUnavailable,
    ProblemCode::OutcomeUnknown,
    ProblemCode::Internal,
];

/// What a write with a JSON body whose path names nothing can be refused with.
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
