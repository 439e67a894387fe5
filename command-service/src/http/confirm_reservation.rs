//! `POST /reservations/{reservationId}/confirm`

use axum::extract::State;
use axum::response::Response;
use shared::etag::ETagKind;
use shared::http::body::{Fields, text};
use shared::message::Command;
use shared::problem::Problem;
use shared::text::OrderId;
use utoipa::ToSchema;
use utoipa::openapi::{OpenApi, RefOr};

use super::shapes::{Line, OnChange, TheReservation};
use super::{Writes, readers};
use crate::accepted::Accepted;
use crate::headers::{AnyWrite, IfMatchReservation};
use crate::intake::{Intake, Unread};
use crate::message::Asked;

const PATH: &str = "/api/v1/reservations/{reservationId}/confirm";

/// What is issued, if it is not all that the reservation holds.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for the document only; the handler reads the fields one by one")]
struct ConfirmReservation {
    /// The order, if it was not known before.
    #[schema(min_length = 1, max_length = 64, example = "A-1007")]
    order_id: Option<String>,
    /// What is issued; lines and units that are not named are given back. Absent: all is issued.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<Line>>,
}

/// Ask to issue what a reservation holds; what is not named is given back.
#[utoipa::path(
    post, path = PATH, tag = "reservations",
    operation_id = "confirmReservation", params(TheReservation, IfMatchReservation, AnyWrite),
    request_body = ConfirmReservation, responses(Accepted, OnChange)
)]
pub(crate) async fn confirm(State(writes): State<Writes>, request: Unread) -> Result<Response, Problem> {
    let intake = Intake::json_or_nothing(request, Some(ETagKind::Reservation)).await?;
    let command = intake.fields_if_any(|fields| Some(command(fields)))?;
    writes.accept(&intake, Asked::of(intake.reservation(), command)).await
}

/// No body is needed. Of `Option` the macro would say that the body may be `null`, which it may not.
pub(super) fn say_that_the_body_is_optional(document: &mut OpenApi) {
    let path = document.paths.paths.get_mut(PATH).and_then(|path| path.post.as_mut());
    let Some(RefOr::T(body)) = path.and_then(|operation| operation.request_body.as_mut()) else {
        unreachable!("the route and its body are in the document");
    };
    body.required = None;
}

/// From the body, or from a row of a batch.
pub(super) fn command(fields: &mut Fields) -> Command {
    let order_id = fields.optional("orderId", text(OrderId::parse));
    let lines = fields.optional("lines", readers::lines);
    Command::ConfirmReservation { order_id, lines }
}
