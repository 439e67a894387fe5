//! One row of a batch: its type says which route it stands for, and that route's own reader reads it.

use shared::http::body::{Fault, Fields, text};
use shared::message::Command;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::headers::row_key;
use crate::http::readers::{of_item, of_reservation};
use crate::http::{
    adjust_stock, confirm_reservation, count_stock, create_item, create_reservation, extend_reservation, release_stock,
    reserve_stock, transfer_stock, update_item,
};
use crate::message::Asked;

/// Reads the fields of one type of row; `None` only if one is at fault.
type Reader = fn(&mut Fields) -> Option<Asked>;

/// Every type, and what reads it.
const TYPES: [(&str, Reader); 12] = [
    ("create", create_item::asked),
    ("update", |fields| of_item(fields, update_item::command)),
    ("delete", |fields| of_item(fields, |_| Some(Command::DeleteItem {}))),
    ("adjust", |fields| of_item(fields, adjust_stock::command)),
    ("reserve", |fields| of_item(fields, reserve_stock::command)),
    ("release", |fields| of_item(fields, release_stock::command)),
    ("count", |fields| of_item(fields, count_stock::command)),
    ("transfer", transfer_stock::asked),
    ("reservation", create_reservation::asked),
    ("confirm", |fields| of_reservation(fields, |fields| Some(confirm_reservation::command(fields)))),
    ("extend", |fields| of_reservation(fields, extend_reservation::command)),
    ("cancel", |fields| of_reservation(fields, |_| Some(Command::ReleaseReservation {}))),
];

/// A write of one of the other routes: its `type`, what that route's path names, and the fields of its body.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
pub(super) struct BatchRow {
    /// Which route.
    #[schema(
        pattern = "^(create|update|delete|adjust|reserve|release|count|transfer|reservation|confirm|extend|cancel)$",
        example = "adjust"
    )]
    r#type: String,
    /// As the header of this name does for one request; without it, the header's of the batch and the row's index
    /// together are the row's key.
    #[schema(min_length = 1, max_length = 255, example = "import-7-2")]
    idempotency_key: Option<String>,
    /// The item by its id; not with `sku`.
    #[schema(example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<Uuid>,
    /// The item by its SKU.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "PROD-001")]
    sku: Option<String>,
    /// The reservation to confirm, extend or cancel, or the id that a new one is to have.
    #[schema(example = "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55")]
    reservation_id: Option<Uuid>,
}

/// What a row asks, and its own idempotency key if it has one. If the type is at fault, nothing else of the row is told.
pub(super) fn read(fields: &mut Fields) -> Option<(Option<String>, Asked)> {
    let Some(reader) = fields.required("type", text(reader)) else {
        fields.ignore_rest();
        return None;
    };
    let key = fields.optional("idempotencyKey", text(row_key));
    reader(fields).map(|asked| (key, asked))
}

fn reader(name: &str) -> Result<Reader, Fault> {
    let found = TYPES.iter().find(|(known, _)| *known == name).map(|(_, reader)| *reader);
    found.ok_or_else(|| {
        let known: Vec<_> = TYPES.iter().map(|(known, _)| *known).collect();
        Fault("UNKNOWN_TYPE", format!("must be one of {}", known.join(", ")))
    })
}
