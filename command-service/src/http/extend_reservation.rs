//! `POST /reservations/{reservationId}/extend`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, whole};
use shared::message::Command;
use shared::problem::Problem;
use shared::reservation::Ttl;
use utoipa::ToSchema;

use super::Writes;
use super::shapes::{OnChange, TheReservation};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchReservation};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

/// The new deadline.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct ExtendReservation {
    /// For how long, from when it is applied, whatever the deadline was before.
    #[schema(minimum = 1, maximum = 86_400, example = 900)]
    ttl_seconds: i64,
}

/// Ask to move the deadline of a reservation.
#[utoipa::path(
    post, path = "/api/v1/reservations/{reservationId}/extend", tag = "reservations",
    operation_id = "extendReservation", params(TheReservation, IfMatchReservation, AnyWrite),
    request_body = ExtendReservation, responses(Accepted, OnChange)
)]
pub(crate) async fn extend(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json(request, Some(ETagKind::Reservation)).await?;
    let command = intake.fields(command)?;
    writes.accept(&intake, Asked::of(intake.reservation(), command)).await
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Option<Command> {
    let ttl_seconds = fields.required("ttlSeconds", whole(Ttl::parse))?;
    Some(Command::ExtendReservation { ttl_seconds })
}
