//! `DELETE /inventory/items/{itemId}` and `/inventory/items/sku/{sku}`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::message::Command;
use shared::problem::Problem;

use super::Writes;
use super::shapes::{ById, BySku, OnDeletion};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchItem};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// Ask to delete an item; its stock is written off.
#[utoipa::path(
    delete,
    path = "/api/v1/inventory/items/{itemId}",
    tag = "items",
    operation_id = "deleteItem",
    params(ById, IfMatchItem, AnyWrite),
    responses(Accepted, OnDeletion)
)]
pub(crate) async fn by_id(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    delete(&writes, request).await
}

/// Ask to delete an item by its SKU; its stock is written off.
#[utoipa::path(
    delete,
    path = "/api/v1/inventory/items/sku/{sku}",
    tag = "items by SKU",
    operation_id = "deleteItemBySku",
    params(BySku, IfMatchItem, AnyWrite),
    responses(Accepted, OnDeletion)
)]
pub(crate) async fn by_sku(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    delete(&writes, request).await
}

async fn delete(writes: &Writes, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::bodyless(request, Some(ETagKind::Item)).await?;
    intake.no_body()?;
    writes.accept(&intake, Asked::of(intake.item(), Command::DeleteItem {})).await
}
