//! `GET /inventory/most-reserved`: what buyers hold most of.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::asked::{self, Sent};
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::document::overviews::MostReservedView;
use crate::model::overviews::Overview;

const DEFAULT_LIMIT: u32 = 10;

/// The items of which most is reserved, in all stores. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/most-reserved",
    operation_id = "list_most_reserved",
    tag = "stock",
    params(("limit" = Option<u32>, Query, description = "10 if absent", minimum = 1, maximum = 200, example = 10)),
    responses(
        (status = 200, description = "The items", body = MostReservedView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn most_reserved(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let limit = asked::limit(&mut parameters, DEFAULT_LIMIT);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::MostReserved { limit }, !tokens.is_empty()).await?))
}
