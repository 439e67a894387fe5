//! `GET /stores`: every store.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::docs::QueryProblems;
use super::{Api, answer, asked};
use crate::document::store::StoresView;
use crate::model::overviews::Overview;

/// Every store. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/stores",
    operation_id = "list_stores",
    tag = "stores",
    responses(
        (status = 200, description = "The stores", body = StoresView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn stores(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tokens, parameters) = asked::tokens_and_parameters(&headers, query.as_deref())?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::Stores, !tokens.is_empty()).await?))
}
