//! What every write does once its command is read: onto the log, then 202.

use axum::response::{IntoResponse, Response};
use shared::problem::Problem;
use shared::token::ConsistencyToken;

use crate::accepted::Accepted;
use crate::config::QueryBaseUrl;
use crate::intake::Intake;
use crate::log::{CommandLog, NotAccepted};
use crate::message::{Asked, Message};

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
    pub(super) async fn accept(&self, intake: &Intake, asked: Asked) -> Result<Response, Problem> {
        let message = Message::new(intake, intake.headers.idempotency_key.as_deref(), asked);
        tracing::Span::current().record("command_id", tracing::field::display(message.envelope.command_id));
        let token = self.log.append(&message).await?;
        Ok(self.accepted(&message, token).into_response())
    }

    /// Puts commands on the log in their order, and says of each whether it is durable there.
    pub(super) async fn accept_all(&self, messages: &[Message]) -> Vec<Result<Accepted, NotAccepted>> {
        let tokens = self.log.append_all(messages).await;
        let each = messages.iter().zip(tokens);
        each.map(|(message, token)| token.map(|token| self.accepted(message, token))).collect()
    }

    fn accepted(&self, message: &Message, token: ConsistencyToken) -> Accepted {
        let request = &message.envelope;
        metrics::counter!("inventory_commands_accepted_total", "type" => request.event_type).increment(1);
        Accepted::new(request, token, &self.query)
    }
}
