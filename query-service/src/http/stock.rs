//! `GET /inventory/items/{itemId}/stock` and `/inventory/items/sku/{sku}/stock`: the stock of one item at one store.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::id::ItemId;
use shared::problem::Problem;
use shared::text::StoreId;

use super::Api;
use super::asked::{self, Segment};
use super::docs::ItemProblems;
use crate::document::LevelView;

/// The stock of an item by its id.
#[utoipa::path(
    get,
    path = "/inventory/items/{itemId}/stock",
    operation_id = "read_stock",
    tag = "stock",
    params(
        ("itemId" = uuid::Uuid, Path, description = "The item", example = "5ba52b28-0660-54e0-a935-615efcb68195"),
        ("storeId" = Option<String>, Query, description = "The store; `main` if absent", example = "main"),
    ),
    responses(
        (status = 200, description = "The level; zeros and version 0 if nothing was ever there", body = LevelView),
        (status = 304, description = "`If-None-Match` names the present version"),
        ItemProblems,
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

/// The stock of an item by its SKU.
#[utoipa::path(
    get,
    path = "/inventory/items/sku/{sku}/stock",
    operation_id = "read_stock_by_sku",
    tag = "stock",
    params(
        ("sku" = String, Path, description = "Its SKU, case-sensitive", example = "PROD-001"),
        ("storeId" = Option<String>, Query, description = "The store; `main` if absent", example = "main"),
    ),
    responses(
        (status = 200, description = "The level; zeros and version 0 if nothing was ever there", body = LevelView),
        (status = 304, description = "`If-None-Match` names the present version"),
        ItemProblems,
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
    let (tokens, mut parameters) = asked::tokens_and_parameters(headers, query)?;
    parameters.optional("storeId", known_store);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.item(id).await?;
    Ok(super::answer::tagged(headers, &found.map(|kept| kept.value.stock.clone())))
}

/// Until stores can be created, `main` is the only one.
fn known_store(text: &str) -> Result<(), Fault> {
    let store = StoreId::parse(text)?;
    if store.is_main() {
        Ok(())
    } else {
        Err(Fault("UNKNOWN_STORE", format!("{store} is not a store; only {} exists", StoreId::MAIN)))
    }
}
