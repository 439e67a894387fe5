//! `GET /inventory/summary`: how much there is of everything, and what it costs.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::docs::QueryProblems;
use super::{Api, answer, asked};
use crate::document::overviews::SummaryView;
use crate::model::overviews::Overview;

/// All stock of all items. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/inventory/summary",
    operation_id = "read_summary",
    tag = "stock",
    responses(
        (status = 200, description = "The sums", body = SummaryView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn summary(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tokens, parameters) = asked::tokens_and_parameters(&headers, query.as_deref())?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::Summary, !tokens.is_empty()).await?))
}
