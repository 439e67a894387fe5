//! `GET /reservations/{reservationId}`: one reservation.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::clock::Timestamp;
use shared::http::docs::AnyProblem;
use shared::problem::Problem;

use super::asked::{self, Segment, Sent};
use super::docs::DocumentProblems;
use super::{Api, answer};
use crate::cache::entry::Written;
use crate::document::reservation::ReservationView;

/// A reservation by its id.
#[utoipa::path(
    get,
    path = "/api/v1/reservations/{reservationId}",
    operation_id = "read_reservation",
    tag = "reservations",
    params(("reservationId" = uuid::Uuid, Path, description = "The reservation", example = "0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881")),
    responses(
        (status = 200, description = "The reservation; ended ones stay", body = ReservationView),
        (status = 304, description = "`If-None-Match` names the present version; not while it reads `expired` and the writer has not said so"),
        DocumentProblems,
        AnyProblem,
    ),
)]
pub(super) async fn reservation(
    State(api): State<Arc<Api>>,
    path: Segment,
    sent: Box<Sent>,
) -> Result<Response, Problem> {
    let id = asked::reservation_id(path)?;
    let (tokens, parameters) = sent.tokens_and_parameters()?;
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.reservation(id).await?;
    let stored = found.value.value.reservation();
    let view = ReservationView::of(stored, Timestamp::wall_clock());
    let (tag, says_all) = view.tag(stored);
    let found = found.map(|_| Written::of((view, tag)));
    Ok(if says_all { answer::tagged(&sent.headers, &found) } else { answer::whole(&found) })
}
