//! `GET /stores/{storeId}`: one store.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::asked::{self, Segment, Sent};
use super::docs::DocumentProblems;
use super::{Api, answer};
use crate::document::store::StoreView;

/// A store by its id.
#[utoipa::path(
    get,
    path = "/api/v1/stores/{storeId}",
    operation_id = "read_store",
    tag = "stores",
    params(("storeId" = String, Path, description = "The store, case-sensitive", example = "main")),
    responses(
        (status = 200, description = "The store", body = StoreView),
        (status = 304, description = "`If-None-Match` names the present version"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn store(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    let id = asked::store_id(path)?;
    let (tokens, parameters) = sent.tokens_and_parameters()?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.store(id).await?;
    Ok(answer::tagged(&sent.headers, &found.map(|kept| kept.value.store().clone())))
}
