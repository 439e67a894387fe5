//! `GET /inventory/items/{itemId}/stock` and `/inventory/items/sku/{sku}/stock`: the stock of one item at one store, now
//! or at a moment of the past.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::id::ItemId;
use shared::problem::Problem;
use shared::text::StoreId;
use utoipa::ToSchema;

use super::Api;
use super::asked::{self, Segment, Sent};
use super::docs::DocumentProblems;
use crate::cache::entry::written;
use crate::document::LevelView;
use crate::model::ReadError;
use crate::query::past::Moment;

const AS_OF: &str = "A time (RFC 3339) or a sequence: the level after its last movement up to then. 404 if the item was \
    not in the catalogue then, 422 if it is in the future. Such an answer has no tag";

/// A level, now or as it was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Stock)]
struct StockView {
    #[serde(flatten)]
    level: LevelView,
    /// As it was sent; only with `asOf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-11-22T10:10:00Z")]
    as_of: Option<String>,
    /// Of the last movement up to then, 0 if there was none; only with `asOf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 42)]
    sequence: Option<u64>,
}

/// A moment, and how it was sent.
struct AsOf {
    moment: Moment,
    text: String,
}

/// The stock of an item by its id.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/{itemId}/stock",
    operation_id = "read_stock",
    tag = "stock",
    params(
        ("itemId" = uuid::Uuid, Path, description = "The item", example = "5ba52b28-0660-54e0-a935-615efcb68195"),
        ("storeId" = Option<String>, Query, description = "The store; `main` if absent", example = "main"),
        ("asOf" = Option<String>, Query, description = AS_OF),
    ),
    responses(
        (status = 200, description = "The level; zeros and version 0 if nothing was ever there", body = StockView),
        (status = 304, description = "`If-None-Match` names the present version"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_id(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    answer(&api, asked::item_id(path)?, &sent).await
}

/// The stock of an item by its SKU.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items/sku/{sku}/stock",
    operation_id = "read_stock_by_sku",
    tag = "stock",
    params(
        ("sku" = String, Path, description = "Its SKU, case-sensitive", example = "PROD-001"),
        ("storeId" = Option<String>, Query, description = "The store; `main` if absent", example = "main"),
        ("asOf" = Option<String>, Query, description = AS_OF),
    ),
    responses(
        (status = 200, description = "The level; zeros and version 0 if nothing was ever there", body = StockView),
        (status = 304, description = "`If-None-Match` names the present version"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn by_sku(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    answer(&api, asked::sku(path)?, &sent).await
}

async fn answer(api: &Api, id: ItemId, sent: &Sent) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let store = parameters.optional("storeId", |text| Ok(StoreId::parse(text)?)).unwrap_or_else(StoreId::main);
    let as_of = parameters.optional("asOf", AsOf::parse);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    if let Some(as_of) = as_of {
        return Box::pin(past(api, id, store, as_of)).await;
    }
    let found = api.model.item(id).await?;
    let level = found.value.value.item().at(&store).map_err(ReadError::Unavailable)?;
    Ok(super::answer::tagged(&sent.headers, &found.map(|_| level)))
}

async fn past(api: &Api, id: ItemId, store: StoreId, as_of: AsOf) -> Result<Response, Problem> {
    let found = api.model.past_level(id, store.clone(), as_of.moment).await?;
    Ok(super::answer::plain(found.map(|past| {
        let (sequence, level) = (Some(past.sequence), LevelView::of_past(id, &store, past));
        written(&StockView { level, as_of: Some(as_of.text), sequence })
    })))
}

impl AsOf {
    fn parse(text: &str) -> Result<Self, Fault> {
        let is_sequence = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let moment = if is_sequence {
            // What no number can hold has not happened yet either.
            Moment::Sequence(text.parse().unwrap_or(u64::MAX))
        } else {
            Moment::Time(
                asked::time(text).map_err(|Fault(code, detail)| Fault(code, format!("{detail}, or a sequence")))?,
            )
        };
        Ok(Self { moment, text: text.to_owned() })
    }
}
