//! What every write does once its command is read: onto the log, then 202.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use metrics::Counter;
use shared::message::Command;
use shared::problem::Problem;
use shared::token::ConsistencyToken;

use crate::accepted::Accepted;
use crate::config::QueryBaseUrl;
use crate::intake::Intake;
use crate::log::{CommandLog, NotAccepted};
use crate::message::{Asked, Message, Receipt};

/// What the handlers share. The router clones it for every request.
#[derive(Clone)]
pub(crate) struct Writes(Arc<Shared>);

struct Shared {
    log: CommandLog,
    query: QueryBaseUrl,
    /// By `eventType`; each is looked up in the registry when it is first counted.
    accepted: BTreeMap<&'static str, OnceLock<Counter>>,
}

impl Writes {
    pub(crate) fn new(log: CommandLog, query: QueryBaseUrl) -> Self {
        let accepted = Command::EVENT_TYPES.map(|event_type| (event_type, OnceLock::new())).into();
        Self(Arc::new(Shared { log, query, accepted }))
    }

    /// Puts the command on the log; the answer is a 202 once it is durable there. What was asked is made into its message
    /// before the future is there, which has no room for it then.
    pub(super) fn accept(&self, intake: &Intake, asked: Asked) -> impl Future<Output = Result<Response, Problem>> {
        let Message { receipt, entry } = Message::new(intake, intake.headers.idempotency_key.as_deref(), asked);
        intake.context.became(receipt.command_id);
        let appended = self.0.log.append(entry);
        async move { Ok(self.accepted(receipt, &appended.await?).into_response()) }
    }

    /// Puts commands on the log in their order, and says of each whether it is durable there.
    pub(super) async fn accept_all(&self, messages: Vec<Message>) -> Vec<Result<Accepted, NotAccepted>> {
        let (receipts, entries): (Vec<_>, Vec<_>) =
            messages.into_iter().map(|Message { receipt, entry }| (receipt, entry)).unzip();
        let tokens = self.0.log.append_all(entries).await;
        let each = receipts.into_iter().zip(tokens);
        each.map(|(receipt, token)| token.map(|token| self.accepted(receipt, &token))).collect()
    }

    fn accepted(&self, receipt: Receipt, token: &ConsistencyToken) -> Accepted {
        let counter = self.0.accepted[receipt.event_type]
            .get_or_init(|| metrics::counter!("inventory_commands_accepted_total", "type" => receipt.event_type));
        counter.increment(1);
        Accepted::new(receipt, token, &self.0.query)
    }
}
