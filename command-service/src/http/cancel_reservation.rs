//! `DELETE /reservations/{reservationId}`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::message::Command;
use shared::problem::Problem;

use super::Writes;
use super::shapes::{OnDeletion, TheReservation};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchReservation};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// Ask to give back all that a reservation holds.
#[utoipa::path(
    delete,
    path = "/api/v1/reservations/{reservationId}",
    tag = "reservations",
    operation_id = "cancelReservation",
    params(TheReservation, IfMatchReservation, AnyWrite),
    responses(Accepted, OnDeletion)
)]
pub(crate) async fn cancel(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::bodyless(request, Some(ETagKind::Reservation)).await?;
    intake.no_body()?;
    writes.accept(&intake, Asked::of(intake.reservation(), Command::ReleaseReservation {})).await
}
