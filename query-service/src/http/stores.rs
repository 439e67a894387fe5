//! `GET /stores`: every store.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::asked::Sent;
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::document::store::StoresView;
use crate::model::overviews::Overview;

/// Every store. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/api/v1/stores",
    operation_id = "list_stores",
    tag = "stores",
    responses(
        (status = 200, description = "The stores", body = StoresView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn stores(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, parameters) = sent.tokens_and_parameters()?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::Stores, !tokens.is_empty()).await?))
}
