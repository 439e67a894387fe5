//! The log of commands: enqueue, wait until it is durable, and say exactly what is known.
//!
//! [`NotAccepted::Unavailable`] means that nothing will be on the log, so that a retry is always safe. Once a message is
//! enqueued it may be written after its sender gave up: [`NotAccepted::Unknown`] says so and nothing more.

mod broker;
mod unapplied;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{DeliveryFailure, Producer};
use shared::problem::{Problem, ProblemCode};
use shared::token::{ConsistencyToken, LogId};
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) use broker::{BROKER, BrokerWatch, LogLost};
use unapplied::Unapplied;

use crate::message::Message;

/// Why there is no 202.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAccepted {
    /// It is not on the log, and will not be.
    #[error("{0}; the command was not taken, so that a retry is safe")]
    Unavailable(String),
    /// It was enqueued, and may or may not take effect.
    #[error(
        "{0}; retry with the same Idempotency-Key, which cannot double the command: without one a retry may double it"
    )]
    Unknown(String),
}

impl From<DeliveryFailure> for NotAccepted {
    fn from(failure: DeliveryFailure) -> Self {
        let detail = failure.to_string();
        match failure {
            DeliveryFailure::Unknown(_) => Self::Unknown(detail),
            DeliveryFailure::Refused(_) => Self::Unavailable(detail),
        }
    }
}

impl From<NotAccepted> for Problem {
    fn from(error: NotAccepted) -> Self {
        let code = match error {
            NotAccepted::Unavailable(_) => ProblemCode::BrokerUnavailable,
            NotAccepted::Unknown(_) => ProblemCode::OutcomeUnknown,
        };
        metrics::counter!("inventory_commands_refused_total", "code" => code.as_str()).increment(1);
        Self::new(code, error.to_string())
    }
}

/// Where commands go; clones share it.
#[derive(Clone)]
pub(crate) struct CommandLog {
    producer: Producer,
    topic: Arc<str>,
    ack_wait: Duration,
    id: Arc<OnceLock<LogId>>,
    /// With a log that is not durable by itself.
    unapplied: Option<Unapplied>,
}

impl CommandLog {
    pub(crate) fn new(
        producer: Producer,
        topic: &str,
        ack_wait: Duration,
        applied: Option<watch::Receiver<i64>>,
    ) -> Self {
        let unapplied = applied.map(Unapplied::new);
        Self { producer, topic: topic.into(), ack_wait, id: Arc::default(), unapplied }
    }

    /// Appends one message and waits until it is durable, at most `ack_wait` from when it was enqueued.
    pub(crate) async fn append(&self, message: &Message) -> Result<ConsistencyToken, NotAccepted> {
        // Without it there is no token to answer with.
        let Some(log) = self.id.get() else {
            return Err(NotAccepted::Unavailable("it is not known yet which log the broker holds".to_owned()));
        };
        let offset = match &self.unapplied {
            None => self.acknowledged(message).await?,
            Some(unapplied) => self.applied(message, unapplied).await?,
        };
        Ok(ConsistencyToken { log: log.clone(), offset })
    }

    /// Durable once the broker acknowledged it.
    async fn acknowledged(&self, message: &Message) -> Result<i64, NotAccepted> {
        let delivery = self.enqueue(message)?;
        match timeout(self.ack_wait, self.producer.acknowledged(delivery)).await {
            Ok(report) => report.map_err(NotAccepted::from),
            Err(_) => Err(self.too_late("the broker has not acknowledged the command")),
        }
    }

    /// Durable once the writer committed it. A task of its own keeps the message's place until then, also when nobody
    /// waits any more: the place bounds what is on the log, not who waits.
    async fn applied(&self, message: &Message, unapplied: &Unapplied) -> Result<i64, NotAccepted> {
        let mut place = unapplied.enter(message.size()).await?;
        let delivery = self.enqueue(message)?;
        let producer = self.producer.clone();
        let committing = tokio::spawn(async move {
            let offset = producer.acknowledged(delivery).await?;
            place.until_applied(offset).await?;
            Ok(offset)
        });
        match timeout(self.ack_wait, committing).await {
            Ok(Ok(committed)) => committed,
            Ok(Err(error)) => Err(NotAccepted::Unknown(error.to_string())),
            Err(_) => Err(self.too_late("the writer has not committed the command")),
        }
    }

    fn enqueue(&self, message: &Message) -> Result<kafka::Delivery, NotAccepted> {
        let sent = self.producer.send(message.outgoing(&self.topic));
        sent.map_err(|refused| NotAccepted::Unavailable(refused.to_string()))
    }

    fn too_late(&self, what: &str) -> NotAccepted {
        NotAccepted::Unknown(format!("{what} within {} ms", self.ack_wait.as_millis()))
    }
}
