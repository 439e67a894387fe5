//! `GET /inventory/summary`: how much there is of everything, and what it costs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::asked::Sent;
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::document::overviews::SummaryView;
use crate::model::overviews::Overview;

/// All stock of all items. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/summary",
    operation_id = "read_summary",
    tag = "stock",
    responses(
        (status = 200, description = "The sums", body = SummaryView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn summary(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, parameters) = sent.tokens_and_parameters()?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::Summary, !tokens.is_empty()).await?))
}
