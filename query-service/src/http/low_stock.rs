//! `GET /inventory/low-stock`: what should be ordered again.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;
use shared::text::{Sku, StoreId};

use super::asked::{self, Sent};
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::cursor;
use crate::document::overviews::LowStockView;
use crate::model::overviews::{LOW_STOCK, Overview};

const DEFAULT_LIMIT: u32 = 50;

/// The levels of which no more is available than their threshold. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/low-stock",
    operation_id = "list_low_stock",
    tag = "stock",
    params(
        ("limit" = Option<u32>, Query, description = "50 if absent", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "The page", body = LowStockView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn low_stock(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let limit = asked::limit(&mut parameters, DEFAULT_LIMIT);
    let after = parameters.optional("cursor", place).unwrap_or_default();
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.overview(&Overview::LowStock { after, limit }, !tokens.is_empty()).await?))
}

/// The SKU and the store that the page before ended with.
fn place(text: &str) -> Result<(String, String), Fault> {
    let (name, filters) = LOW_STOCK;
    let place = cursor::read(name, &filters, text)?;
    let (sku, store) = place.split_once('\n').ok_or_else(cursor::no_cursor)?;
    let sku = Sku::parse(sku).map_err(|_| cursor::no_cursor())?;
    let store = StoreId::parse(store).map_err(|_| cursor::no_cursor())?;
    Ok((sku.to_string(), store.to_string()))
}
