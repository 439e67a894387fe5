//! `GET /inventory/stock`: the stock of several items in one read.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::http::params::Params;
use shared::id::ItemId;
use shared::problem::Problem;
use shared::text::{Sku, StoreId};
use utoipa::ToSchema;

use super::asked::Sent;
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::cache::entry::written;
use crate::document::LevelView;
use crate::model::{Kept, ReadError};
use crate::source::SourceError;

const MOST_ITEMS: usize = 100;

/// What was asked for, split into what is there and what is not.
#[derive(Serialize, ToSchema)]
#[schema(as = StockLevels)]
struct CartView<'a> {
    /// At `main`, in the order asked for.
    levels: Vec<LevelView>,
    /// The ids or SKUs that no item has, as they were sent.
    #[schema(value_type = Vec<String>, example = json!([]))]
    missing: Vec<&'a str>,
}

/// An item, and how it was named.
struct Asked {
    id: ItemId,
    name: String,
}

/// The stock of up to 100 items at `main`, by id or by SKU.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/stock",
    operation_id = "read_stock_of_several",
    tag = "stock",
    params(
        ("itemIds" = Option<String>, Query, description = "1 to 100 ids, separated by commas; or give `skus`"),
        ("skus" = Option<String>, Query, description = "1 to 100 SKUs, separated by commas; or give `itemIds`", example = "PROD-001"),
    ),
    responses(
        (status = 200, description = "The levels; an item that is asked for twice is told once", body = inline(CartView)),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn cart(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let asked = items(&mut parameters);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let ids: Vec<ItemId> = asked.iter().map(|asked| asked.id).collect();
    let found = api.model.items(&ids).await?;
    let levels: Result<_, _> = found.value.iter().flatten().map(at_main).collect();
    let levels = levels.map_err(ReadError::Unavailable)?;
    let absent = asked.iter().zip(&found.value).filter(|(_, kept)| kept.is_none());
    let view = written(&CartView { levels, missing: absent.map(|(asked, _)| asked.name.as_str()).collect() });
    Ok(answer::plain(found.map(|_| view)))
}

fn at_main(kept: &Kept) -> Result<LevelView, SourceError> {
    Ok(LevelView::of(kept.value.item().stored()?, &StoreId::main()).0)
}

fn items(parameters: &mut Params) -> Vec<Asked> {
    let by_id = parameters.optional("itemIds", |text| Ok(text.to_owned()));
    let by_sku = parameters.optional("skus", |text| Ok(text.to_owned()));
    let (name, items) = match (by_id, by_sku) {
        (Some(ids), None) => ("itemIds", several(&ids, |id| Ok(ItemId::parse(id)?))),
        (None, Some(skus)) => ("skus", several(&skus, |sku| Ok(ItemId::of(&Sku::parse(sku)?)))),
        (None, None) => ("itemIds", Err(Fault("REQUIRED", "is required, or skus".to_owned()))),
        (Some(_), Some(_)) => ("skus", Err(Fault("EXCLUSIVE", "cannot be given together with itemIds".to_owned()))),
    };
    items.unwrap_or_else(|fault| {
        parameters.fault(name, fault);
        Vec::new()
    })
}

fn several(list: &str, parse: impl Fn(&str) -> Result<ItemId, Fault>) -> Result<Vec<Asked>, Fault> {
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    for name in list.split(',').map(str::trim) {
        let id = parse(name).map_err(|Fault(code, detail)| Fault(code, format!("{name:?} {detail}")))?;
        if seen.insert(id) {
            items.push(Asked { id, name: name.to_owned() });
        }
    }
    if items.len() > MOST_ITEMS {
        let detail = format!("must name at most {MOST_ITEMS} items, names {}", items.len());
        return Err(Fault("OUT_OF_RANGE", detail));
    }
    Ok(items)
}
