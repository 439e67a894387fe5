//! `GET /inventory/items/{itemId}` and `/inventory/items/sku/{sku}`: one item, its stock summed over all stores.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::docs::AnyProblem;
use shared::id::ItemId;
use shared::problem::Problem;
use shared::read_model::ItemView;

use super::Api;
use super::asked::{self, Segment, Sent};
use super::docs::DocumentProblems;

/// An item by its id.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/{itemId}",
    operation_id = "read_item",
    tag = "items",
    params(("itemId" = uuid::Uuid, Path, description = "The item", example = "5ba52b28-0660-54e0-a935-615efcb68195")),
    responses(
        (status = 200, description = "The item", body = ItemView),
        (status = 304, description = "`If-None-Match` names the present version"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_id(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    answer(&api, asked::item_id(path)?, &sent).await
}

/// An item by its SKU.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/sku/{sku}",
    operation_id = "read_item_by_sku",
    tag = "items",
    params(("sku" = String, Path, description = "Its SKU, case-sensitive", example = "PROD-001")),
    responses(
        (status = 200, description = "The item", body = ItemView),
        (status = 304, description = "`If-None-Match` names the present version"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_sku(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    answer(&api, asked::sku(path)?, &sent).await
}

async fn answer(api: &Api, id: ItemId, sent: &Sent) -> Result<Response, Problem> {
    let (tokens, parameters) = sent.tokens_and_parameters()?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.item(id).await?;
    Ok(super::answer::tagged(&sent.headers, &found.map(|kept| kept.value.item().summed.clone())))
}
