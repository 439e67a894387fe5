//! What every write does once its command is read: onto the log, then 202.

use axum::response::{IntoResponse, Response};
use shared::id::ReservationId;
use shared::message::Command;
use shared::problem::Problem;

use crate::accepted::Accepted;
use crate::config::QueryBaseUrl;
use crate::intake::Intake;
use crate::log::CommandLog;
use crate::message::Message;

/// What the handlers share; clones share it too.
#[derive(Clone)]
pub(crate) struct Writes {
    log: CommandLog,
    query: QueryBaseUrl,
}

impl Writes {
    pub(crate) fn new(log: CommandLog, query: QueryBaseUrl) -> Self {
        Self { log, query }
    }

    /// Puts the command on the log; the answer is a 202 once it is durable there.
    pub(super) async fn accept(&self, intake: &Intake, command: Command) -> Result<Response, Problem> {
        let message = Message::new(intake, intake.item_of(&command), command);
        let envelope = &message.envelope;
        tracing::Span::current().record("command_id", tracing::field::display(envelope.command_id));
        let token = self.log.append(&message).await?;
        metrics::counter!("inventory_commands_accepted_total", "type" => envelope.event_type).increment(1);
        let reserves = matches!(envelope.data, Command::ReserveStock { .. });
        let reservation_id = reserves.then(|| ReservationId::of(envelope.command_id));
        let accepted = Accepted::new(envelope.command_id, envelope.aggregate_id, reservation_id, token, &self.query);
        Ok(accepted.into_response())
    }
}
