//! `GET /commands/{commandId}`: what became of a command, if wanted as soon as it is known.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::http::docs::AnyProblem;
use shared::http::params::whole;
use shared::id::{CommandId, DeadLetterId, ItemId, ReservationId};
use shared::outcome::OutcomeStatus;
use shared::problem::Problem;
use shared::read_model::StoredOutcome;
use shared::text::StoreId;
use shared::token::ConsistencyToken;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::asked::{self, Segment, Sent};
use super::docs::OutcomeProblems;
use super::{Api, answer};
use crate::cache::entry::written;
use crate::model::{Found, ReadError};

const LONGEST_WAIT_MS: u64 = 30_000;

/// Fields that do not apply are absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Outcome)]
struct OutcomeView {
    #[schema(value_type = uuid::Uuid, example = "0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881")]
    command_id: CommandId,
    status: OutcomeStatus,
    /// The request's `eventType`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "StockReservationRequested")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<ItemId>,
    /// In place of `itemId`, of a command about a whole reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    reservation_id: Option<ReservationId>,
    /// In place of `itemId`, of a command about a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    store_id: Option<StoreId>,
    /// Of the aggregate changed: the item's for catalogue commands, the stock level's for stock commands (of a transfer
    /// the one that units left), the reservation's, the store's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    version: Option<u64>,
    /// Its place in the one order of everything that happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 42)]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false, example = "2026-11-22T10:10:00.000Z")]
    applied_at: Option<Timestamp>,
    /// Which business rule said no, or why it could not be processed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "INSUFFICIENT_STOCK")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "available 3, requested 5")]
    detail: Option<String>,
    /// The message kept for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    dead_letter_id: Option<DeadLetterId>,
}

/// What became of a command.
#[utoipa::path(
    get,
    path = "/api/v1/commands/{commandId}",
    operation_id = "read_outcome",
    tag = "commands",
    params(
        ("commandId" = uuid::Uuid, Path, description = "As the 202 named it", example = "0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881"),
        ("waitMs" = Option<u32>, Query, description = "Answers as soon as the status is final, or `pending` after this time; 0 if absent", minimum = 0, maximum = 30_000, example = 0),
    ),
    responses(
        (status = 200, description = "Where the command stands; `unknown` if the token's position has passed without it, or if it is older than the retention", body = inline(OutcomeView)),
        OutcomeProblems,
        AnyProblem,
    ),
)]
pub(super) async fn outcome(State(api): State<Arc<Api>>, path: Segment, sent: Box<Sent>) -> Result<Response, Problem> {
    let command = asked::segment("commandId", path, CommandId::parse)?;
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let wait = parameters.optional("waitMs", whole(0, LONGEST_WAIT_MS)).unwrap_or(0);
    parameters.finish()?;
    let mut wait = Duration::from_millis(wait);
    if !tokens.is_empty() && !api.model.can_tell_absence(command) {
        // By then the write that the token names is there, if it is this command's.
        wait = wait.max(api.read_wait);
    }
    let deadline = Instant::now() + wait;
    let view = api.outcome(command, &tokens, deadline).await?;
    Ok(answer::plain(view.map(|view| written(&view))))
}

impl Api {
    async fn outcome(
        &self,
        command: CommandId,
        tokens: &[ConsistencyToken],
        deadline: Instant,
    ) -> Result<Found<OutcomeView>, Problem> {
        let following = &self.model.following;
        // Before the first look, so that what is journaled after it wakes us.
        let place = following.waiters.register(command);
        loop {
            let woken = place.as_ref().map(|place| place.waiter.notified());
            let mut applied = following.subscribe();
            // Before the look: what is not there although its position has passed will not come.
            let has_passed = !tokens.is_empty() && applied.borrow_and_update().satisfies(tokens);
            let without = |status| Ok(self.model.as_told(OutcomeView::without(command, status)));
            // Without the database an absence may mean anything; it is told if nothing comes until the time is up.
            let untold = match self.model.outcome(command).await {
                Ok(Some(outcome)) => return Ok(outcome.map(|outcome| OutcomeView::of(command, outcome))),
                Ok(None) if has_passed || self.is_past_retention(command) => return without(OutcomeStatus::Unknown),
                Ok(None) => None,
                Err(error @ ReadError::NeedsDatabase(_)) if !has_passed => Some(error),
                Err(error) => return Err(error.into()),
            };
            let Some(woken) = woken.filter(|_| Instant::now() < deadline && !self.shutdown.has_begun()) else {
                return untold.map_or_else(|| without(OutcomeStatus::Pending), |error| Err(error.into()));
            };
            // Each way out leads to one more look, the last one at the deadline.
            tokio::select! {
                () = woken => {}
                _ = applied.wait_for(|applied| applied.satisfies(tokens)), if !tokens.is_empty() => {}
                () = sleep_until(deadline) => {}
                () = self.shutdown.begun() => {}
            }
        }
    }

    fn is_past_retention(&self, command: CommandId) -> bool {
        let retention = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        command.made_at().is_some_and(|made_at| made_at.plus_millis(retention) < Timestamp::wall_clock())
    }
}

impl OutcomeView {
    fn of(command_id: CommandId, outcome: StoredOutcome) -> Self {
        let mut view = Self {
            kind: Some(outcome.kind),
            version: outcome.version,
            sequence: Some(outcome.sequence),
            applied_at: Some(outcome.applied_at),
            code: outcome.code,
            detail: outcome.detail,
            dead_letter_id: outcome.dead_letter_id,
            ..Self::without(command_id, outcome.status)
        };
        match outcome.of {
            Some(AggregateId::Item(id)) => view.item_id = Some(id),
            Some(AggregateId::Reservation(id)) => view.reservation_id = Some(id),
            Some(AggregateId::Store(id)) => view.store_id = Some(id),
            None => {}
        }
        view
    }

    const fn without(command_id: CommandId, status: OutcomeStatus) -> Self {
        Self {
            command_id,
            status,
            kind: None,
            item_id: None,
            reservation_id: None,
            store_id: None,
            version: None,
            sequence: None,
            applied_at: None,
            code: None,
            detail: None,
            dead_letter_id: None,
        }
    }
}

#[cfg(test)]
mod tests;
