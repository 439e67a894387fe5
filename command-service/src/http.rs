//! The routes: each endpoint is one file, and each that names an item exists by its id and by its SKU.

mod adjust_stock;
mod batch;
mod cancel_reservation;
mod configure_stock;
mod confirm_reservation;
mod count_stock;
mod create_item;
mod create_reservation;
mod create_store;
mod delete_item;
mod extend_reservation;
mod readers;
mod release_stock;
mod reserve_stock;
mod shapes;
mod transfer_stock;
mod update_item;
mod update_store;
mod writes;

use shared::http::context::InContext;
use shared::http::docs;
use shared::http::health::Readiness;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use batch::BatchResults;
pub(crate) use writes::Writes;

use crate::accepted::Accepted;

/// The schemas that no endpoint names by itself.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Accepted, BatchResults)))]
struct Schemas;

const DESCRIPTION: &str = "Every write is checked in its form, put on the log and answered with 202, a command id and \
     the URL of its outcome. Whether there is enough stock is decided afterwards, in the order of the log.";

/// The whole service, and its document.
pub(crate) fn router(readiness: Readiness, writes: Writes) -> (InContext, OpenApi) {
    let mut api = OpenApiRouter::with_openapi(Schemas::openapi())
        .routes(routes!(create_item::create))
        .routes(routes!(update_item::by_id, delete_item::by_id))
        .routes(routes!(update_item::by_sku, delete_item::by_sku))
        .routes(routes!(adjust_stock::by_id))
        .routes(routes!(adjust_stock::by_sku))
        .routes(routes!(reserve_stock::by_id))
        .routes(routes!(reserve_stock::by_sku))
        .routes(routes!(release_stock::by_id))
        .routes(routes!(release_stock::by_sku))
        .routes(routes!(count_stock::by_id))
        .routes(routes!(count_stock::by_sku))
        .routes(routes!(configure_stock::by_id))
        .routes(routes!(configure_stock::by_sku))
        .routes(routes!(transfer_stock::transfer))
        .routes(routes!(create_reservation::create))
        .routes(routes!(cancel_reservation::cancel))
        .routes(routes!(confirm_reservation::confirm))
        .routes(routes!(extend_reservation::extend))
        .routes(routes!(create_store::create))
        .routes(routes!(update_store::update))
        .routes(routes!(batch::write))
        .with_state(writes);
    confirm_reservation::say_that_the_body_is_optional(api.get_openapi_mut());
    docs::complete("Inventory: writing", DESCRIPTION, readiness, api)
}
