//! The routes. Each endpoint has its file; what their requests and answers share is in `asked`, `answer` and `docs`.

mod answer;
mod asked;
mod availability;
mod cart;
mod docs;
mod item;
mod list;
mod low_stock;
mod most_reserved;
mod movements;
mod outcome;
mod reservation;
mod reservations;
mod stock;
mod store;
mod stores;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use shared::http::context::InContext;
use shared::http::health::Readiness;
use shared::lifecycle::Shutdown;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::ReadModel;

/// What the endpoints work with.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) model: Arc<ReadModel>,
    pub(crate) shutdown: Shutdown,
    pub(crate) read_wait: Duration,
    pub(crate) retention: Duration,
}

const DESCRIPTION: &str = "Reads items, stock, reservations, stores, the ledger and the outcomes of commands. Answers say where they come from \
    (`X-Cache`); with a consistency token they reflect the write that it came from. Writing is command-service's.";

/// The router and its document.
pub(crate) fn router(api: Api, readiness: Readiness) -> (InContext, OpenApi) {
    // With their whole paths: a nested router writes the path of each request anew.
    let reading = OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(item::by_id))
        .routes(routes!(item::by_sku))
        .routes(routes!(stock::by_id))
        .routes(routes!(stock::by_sku))
        .routes(routes!(availability::by_id))
        .routes(routes!(availability::by_sku))
        .routes(routes!(cart::cart))
        .routes(routes!(movements::movements))
        .routes(routes!(low_stock::low_stock))
        .routes(routes!(most_reserved::most_reserved))
        .routes(routes!(summary::summary))
        .routes(routes!(reservations::reservations))
        .routes(routes!(reservation::reservation))
        .routes(routes!(stores::stores))
        .routes(routes!(store::store))
        .routes(routes!(outcome::outcome));
    let mut api = reading.with_state(Arc::new(api));
    docs::complete(api.get_openapi_mut());
    shared::http::docs::complete("Inventory: reading", DESCRIPTION, readiness, api)
}
