//! `GET /inventory/items`: a page of the catalogue, sorted and filtered.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::http::params::{Params, whole};
use shared::price::{AmountMinor, Currency, MAX_AMOUNT_MINOR};
use shared::problem::Problem;
use shared::search;
use shared::text::{Category, StoreId, TextError};

use super::asked::Sent;
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::document::PageView;
use crate::query::lists::{FullText, ListFilter, ListRequest, PriceRange, Sort, SortKey};

const MOST_PAGES: u64 = 100_000;
const LARGEST_PAGE: u64 = 100;
const LONGEST_QUERY: usize = 200;

/// A page of the catalogue. Without a token it may be a second old.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/items",
    operation_id = "list_items",
    tag = "items",
    params(
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1, maximum = 100_000, example = 1),
        ("pageSize" = Option<u32>, Query, description = "20 if absent", minimum = 1, maximum = 100, example = 20),
        ("sort" = Option<String>, Query, description = "`sku` (if absent), `name`, `available` or `updatedAt`, with `-` before it descending; by code point, ties by SKU", example = "sku"),
        ("category" = Option<String>, Query, description = "Exactly this one", min_length = 1, max_length = 100, example = "cables"),
        ("storeId" = Option<String>, Query, description = "Items that have a level at this store", example = "main"),
        ("inStock" = Option<bool>, Query, description = "Whether anything is available: at the store if `storeId` is given, else in all stores together"),
        ("currency" = Option<String>, Query, description = "Items with a price in this currency of ISO 4217", example = "EUR"),
        ("minPrice" = Option<i64>, Query, description = "In the minor unit, inclusive; needs `currency`", minimum = 0, maximum = 1_000_000_000_000i64),
        ("maxPrice" = Option<i64>, Query, description = "In the minor unit, inclusive; needs `currency`", minimum = 0, maximum = 1_000_000_000_000i64),
        ("search" = Option<String>, Query, description = "Full text: words of SKU, name or description, all of them, whatever the case and the accents; the last may be the beginning of one. Blanks filter nothing, and a text without a letter or a digit matches nothing", max_length = 200, example = "usb cab"),
        ("q" = Option<String>, Query, description = "The beginning of the SKU or of a word of the name, whatever the case", max_length = 200, example = "prod"),
    ),
    responses(
        (status = 200, description = "The page; empty past the end", body = PageView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn list(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
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
        filter: ListFilter {
            prefix: parameters.optional("q", prefix).flatten(),
            category: parameters.optional("category", |text| Ok(Category::parse(text)?.as_str().to_owned())),
            store: parameters.optional("storeId", |text| Ok(StoreId::parse(text)?)),
            in_stock: parameters.optional("inStock", truth),
            price: price(parameters),
            search: parameters.optional("search", search_words).flatten(),
        },
    }
}

fn truth(text: &str) -> Result<bool, Fault> {
    text.parse().map_err(|_| Fault("INVALID_FORMAT", "must be true or false".to_owned()))
}

fn price(parameters: &mut Params) -> Option<PriceRange> {
    let least = parameters.optional("minPrice", amount);
    let most = parameters.optional("maxPrice", amount);
    let bounds = [("minPrice", least), ("maxPrice", most)];
    let currency = parameters.optional("currency", |text| Ok(Currency::parse(text)?));
    for (name, _) in bounds.iter().filter(|(_, amount)| amount.is_some() && currency.is_none()) {
        parameters.fault(name, Fault("REQUIRED", "needs currency: prices in several cannot be compared".to_owned()));
    }
    let greatest = AmountMinor::parse(MAX_AMOUNT_MINOR).expect("the greatest is allowed");
    let (min, max) = (least.unwrap_or_default(), most.unwrap_or(greatest));
    currency.map(|currency| PriceRange { currency, min, max })
}

fn amount(text: &str) -> Result<AmountMinor, Fault> {
    let minor = whole(0, MAX_AMOUNT_MINOR.cast_unsigned())(text)?;
    Ok(AmountMinor::parse(minor.cast_signed())?)
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
    Ok(Some(search::prefix(query(text)?)).filter(|prefix| !prefix.is_empty()))
}

/// As [`prefix`].
fn search_words(text: &str) -> Result<Option<FullText>, Fault> {
    Ok(Some(query(text)?).filter(|text| !text.is_empty()).map(FullText::of))
}

fn query(text: &str) -> Result<&str, Fault> {
    let text = text.trim();
    let length = text.chars().count();
    if length > LONGEST_QUERY {
        return Err(TextError::TooLong { max: LONGEST_QUERY, length }.into());
    }
    Ok(text)
}
