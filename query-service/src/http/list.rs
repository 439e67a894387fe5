//! `GET /inventory/items`: a page of the catalogue, sorted and filtered.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::http::params::{Params, whole};
use shared::problem::Problem;
use shared::search;
use shared::text::TextError;

use super::docs::QueryProblems;
use super::{Api, answer, asked};
use crate::document::PageView;
use crate::query::lists::{ListRequest, Sort, SortKey};

const MOST_PAGES: u64 = 100_000;
const LARGEST_PAGE: u64 = 100;
const LONGEST_QUERY: usize = 200;

/// A page of the catalogue. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/inventory/items",
    operation_id = "list_items",
    tag = "items",
    params(
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1, maximum = 100_000, example = 1),
        ("pageSize" = Option<u32>, Query, description = "20 if absent", minimum = 1, maximum = 100, example = 20),
        ("sort" = Option<String>, Query, description = "`sku` (if absent), `name`, `available` or `updatedAt`, with `-` before it descending; by code point, ties by SKU", example = "sku"),
        ("q" = Option<String>, Query, description = "The beginning of the SKU or of a word of the name, whatever the case", max_length = 200, example = "prod"),
    ),
    responses(
        (status = 200, description = "The page; empty past the end", body = PageView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tokens, mut parameters) = asked::tokens_and_parameters(&headers, query.as_deref())?;
    let request = request(&mut parameters);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    Ok(answer::plain(api.model.page(&request, !tokens.is_empty()).await?))
}

/// What is at fault has its default here, and `parameters` know of it.
fn request(parameters: &mut Params) -> ListRequest {
    let mut number = |name: &str, max: u64, default: u32| {
        let number = parameters.optional(name, whole(1, max));
        number.map_or(default, |number| u32::try_from(number).expect("the greatest is far below 2^32"))
    };
    ListRequest {
        page: number("page", MOST_PAGES, 1),
        page_size: number("pageSize", LARGEST_PAGE, 20),
        sort: parameters.optional("sort", sort).unwrap_or(Sort { key: SortKey::Sku, is_descending: false }),
        prefix: parameters.optional("q", prefix).flatten(),
    }
}

fn sort(text: &str) -> Result<Sort, Fault> {
    let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let key = match name {
        "sku" => SortKey::Sku,
        "name" => SortKey::Name,
        "available" => SortKey::Available,
        "updatedAt" => SortKey::UpdatedAt,
        _ => {
            let detail = "must be sku, name, available or updatedAt, with - before it for descending";
            return Err(Fault("INVALID_FORMAT", detail.to_owned()));
        }
    };
    Ok(Sort { key, is_descending })
}

/// `None` for blanks only, which match everything.
fn prefix(text: &str) -> Result<Option<String>, Fault> {
    let length = text.trim().chars().count();
    if length > LONGEST_QUERY {
        return Err(TextError::TooLong { max: LONGEST_QUERY, length }.into());
    }
    Ok(Some(search::prefix(text)).filter(|prefix| !prefix.is_empty()))
}
