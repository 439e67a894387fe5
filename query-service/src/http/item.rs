//! `GET /inventory/items/{itemId}` and `/inventory/items/sku/{sku}`: one item, its stock summed over all stores.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::docs::AnyProblem;
use shared::id::ItemId;
use shared::problem::Problem;

use super::Api;
use super::asked::{self, Segment};
use super::docs::DocumentProblems;
use crate::document::ItemView;

/// An item by its id.
#[utoipa::path(
    get,
    path = "/inventory/items/{itemId}",
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
pub(super) async fn by_id(
    State(api): State<Api>,
    path: Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&api, asked::item_id(path)?, query.as_deref(), &headers).await
}

/// An item by its SKU.
#[utoipa::path(
    get,
    path = "/inventory/items/sku/{sku}",
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
pub(super) async fn by_sku(
    State(api): State<Api>,
    path: Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&api, asked::sku(path)?, query.as_deref(), &headers).await
}

async fn answer(api: &Api, id: ItemId, query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
    let (tokens, parameters) = asked::tokens_and_parameters(headers, query)?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.item(id).await?;
    Ok(super::answer::tagged(headers, &found.map(|kept| kept.value.item().summed.clone())))
}
