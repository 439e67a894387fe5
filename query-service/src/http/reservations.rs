//! `GET /reservations`: reservations, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::http::params::Params;
use shared::problem::Problem;
use shared::read_model::StoredReservation;
use shared::reservation::ReservationStatus;
use shared::text::{CustomerId, OrderId};
use utoipa::ToSchema;

use super::asked::{self, Sent};
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::cache::entry::written;
use crate::cursor;
use crate::document::reservation::ReservationView;
use crate::query::reservations::lists::ReservationFilter;
use crate::query::walk::Page;

const NAME: &str = "reservations";
const DEFAULT_LIMIT: u32 = 50;

/// A page of reservations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reservations)]
struct ReservationsView {
    /// The newest first.
    reservations: Vec<ReservationView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Reservations, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/reservations",
    operation_id = "list_reservations",
    tag = "reservations",
    params(
        ("itemId" = Option<uuid::Uuid>, Query, description = "With a line of this item"),
        ("orderId" = Option<String>, Query, description = "For this order", min_length = 1, max_length = 64, example = "order-42"),
        ("customerId" = Option<String>, Query, description = "For this customer", min_length = 1, max_length = 64, example = "customer-7"),
        ("status" = Option<ReservationStatus>, Query, description = "As it is shown: past its deadline a reservation is `expired`"),
        ("limit" = Option<u32>, Query, description = "50 if absent", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before, with the same filters"),
    ),
    responses(
        (status = 200, description = "The page. One request looks at 20,000 candidates at most, so a page can be short or empty and yet have a `nextCursor`", body = ReservationsView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn reservations(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let filter = filter(&mut parameters);
    let limit = asked::limit(&mut parameters, DEFAULT_LIMIT);
    let greatest = asked::greatest(&mut parameters, NAME, &filter);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let now = Timestamp::wall_clock();
    let found = api.model.reservations(&filter, greatest, now, limit as usize).await?;
    Ok(answer::plain(found.map(|page| written(&ReservationsView::of(&page, &filter, now)))))
}

fn filter(parameters: &mut Params) -> ReservationFilter {
    ReservationFilter {
        item_id: parameters.optional("itemId", asked::id),
        order_id: parameters.optional("orderId", |text| Ok(OrderId::parse(text)?)),
        customer_id: parameters.optional("customerId", |text| Ok(CustomerId::parse(text)?)),
        status: parameters.optional("status", status),
    }
}

fn status(text: &str) -> Result<ReservationStatus, Fault> {
    let detail = "must be pending, confirmed, released or expired";
    ReservationStatus::parse(text).ok_or_else(|| Fault("INVALID_FORMAT", detail.to_owned()))
}

impl ReservationsView {
    fn of(page: &Page<StoredReservation>, filter: &ReservationFilter, now: Timestamp) -> Self {
        let next_cursor = page.next.map(|next| cursor::write(NAME, filter, &next.to_string()));
        Self { reservations: page.rows.iter().map(|row| ReservationView::of(row, now)).collect(), next_cursor }
    }
}
