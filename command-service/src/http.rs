//! The routes: each endpoint is one file, and each that names an item exists by its id and by its SKU.

mod adjust_stock;
mod create_item;
mod delete_item;
mod release_stock;
mod reserve_stock;
mod shapes;
mod update_item;
mod writes;

use axum::Router;
use shared::http::docs;
use shared::http::health::Readiness;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use writes::Writes;

use crate::accepted::Accepted;

/// The one schema that no endpoint names by itself.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Accepted)))]
struct Schemas;

const DESCRIPTION: &str = "Every write is checked in its form, put on the log and answered with 202, a command id and \
     the URL of its outcome. Whether there is enough stock is decided afterwards, in the order of the log.";

/// The whole service, and its document.
pub(crate) fn router(readiness: Readiness, writes: Writes) -> (Router, OpenApi) {
    let api = OpenApiRouter::with_openapi(Schemas::openapi())
        .routes(routes!(create_item::create))
        .routes(routes!(update_item::by_id, delete_item::by_id))
        .routes(routes!(update_item::by_sku, delete_item::by_sku))
        .routes(routes!(adjust_stock::by_id))
        .routes(routes!(adjust_stock::by_sku))
        .routes(routes!(reserve_stock::by_id))
        .routes(routes!(reserve_stock::by_sku))
        .routes(routes!(release_stock::by_id))
        .routes(routes!(release_stock::by_sku))
        .with_state(writes);
    docs::complete("Inventory: writing", DESCRIPTION, readiness, api)
}
