//! `GET /inventory/most-reserved`: what buyers hold most of.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::docs::QueryProblems;
use super::{Api, answer, asked};
use crate::document::overviews::MostReservedView;
use crate::model::overviews::Overview;

const DEFAULT_LIMIT: u32 = 10;

/// The items of which most is reserved, in all stores. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/inventory/most-reserved",
    operation_id = "list_most_reserved",
    tag = "stock",
    params(("limit" = Option<u32>, Query, description = "10 if absent", minimum = 1, maximum = 200, example = 10)),
    responses(
        (status = 200, description = "The items", body = MostReservedView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn most_reserved(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tokens, mut parameters) = asked::tokens_and_parameters(&headers, query.as_deref())?;
    let limit = asked::limit(&mut parameters, DEFAULT_LIMIT);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::MostReserved { limit }, !tokens.is_empty()).await?))
}
