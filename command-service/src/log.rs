//! The log of commands: enqueue, wait until it is durable, and say exactly what is known.
//!
//! [`NotAccepted::Unavailable`] means that nothing will be on the log, so that a retry is always safe. Once a message is
//! enqueued it may be written after its sender gave up: [`NotAccepted::Unknown`] says so and nothing more.

mod broker;
mod crowd;
mod groups;
mod unapplied;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{DeliveryFailure, NotEnqueued, Prepared, Producer};
use shared::problem::{Problem, ProblemCode};
use shared::token::{ConsistencyToken, LogId};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub(crate) use broker::{BROKER, BrokerWatch, LogLost};
use groups::{Appended, Groups, Series};
use unapplied::{Place, Unapplied};

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

impl NotAccepted {
    fn too_late(what: &str, ack_wait: Duration) -> Self {
        Self::Unknown(format!("{what} within {} ms", ack_wait.as_millis()))
    }
}

impl From<NotEnqueued> for NotAccepted {
    fn from(refused: NotEnqueued) -> Self {
        Self::Unavailable(refused.to_string())
    }
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

/// On its way, and not yet known to be durable.
struct Enqueued {
    log: LogId,
    pending: Pending,
}

/// What makes a message durable.
enum Pending {
    /// The broker's acknowledgement, on a log that is durable by itself.
    Acknowledgement(oneshot::Receiver<Appended>),
    /// The writer's commit, on one that is not; until when it is waited for.
    Commit(JoinHandle<Appended>, Instant),
}

/// Where commands go.
pub(crate) struct CommandLog {
    producer: Producer,
    groups: Groups,
    ack_wait: Duration,
    id: Arc<OnceLock<LogId>>,
    /// With a log that is not durable by itself.
    unapplied: Option<Unapplied>,
}

impl CommandLog {
    /// Must be called inside a runtime.
    pub(crate) fn new(
        producer: Producer,
        topic: &str,
        ack_wait: Duration,
        applied: Option<watch::Receiver<i64>>,
    ) -> Self {
        // Else the wait is for the writer too, and the message's place is kept until then.
        let for_broker = applied.is_none().then_some(ack_wait);
        let groups = Groups::to(producer.clone(), topic, for_broker);
        let unapplied = applied.map(Unapplied::new);
        Self { producer, groups, ack_wait, id: Arc::default(), unapplied }
    }

    /// Appends one message and waits until it is durable, at most `ack_wait` from when it was enqueued, and a second more
    /// where the broker must be asked for its offset.
    pub(crate) async fn append(&self, entry: Box<Prepared>) -> Result<ConsistencyToken, NotAccepted> {
        let enqueued = self.enqueue(entry, None).await?;
        self.durable(enqueued).await
    }

    /// Appends messages in their order and waits for all of them together, each as [`Self::append`] does. Once one has failed
    /// none behind it is sent any more: what follows may need what it does.
    pub(crate) async fn append_all(
        &self,
        entries: impl IntoIterator<Item = Box<Prepared>>,
    ) -> Vec<Result<ConsistencyToken, NotAccepted>> {
        let mut enqueued = Vec::new();
        let mut refused = None;
        let series = Series::default();
        for entry in entries {
            let series = Some(Arc::clone(&series));
            enqueued.push(match &refused {
                None => self.enqueue(entry, series).await.inspect_err(|refusal| refused = Some(refusal.clone())),
                Some(refusal) => Err(refusal.clone()),
            });
        }
        let mut appended = Vec::with_capacity(enqueued.len());
        for enqueued in enqueued {
            // All are on their way: whoever waits for one has waited for those before it.
            appended.push(match enqueued {
                Ok(enqueued) => self.durable(enqueued).await,
                Err(refusal) => Err(refusal),
            });
        }
        appended
    }

    /// With `Err` nothing was enqueued.
    async fn enqueue(&self, entry: Box<Prepared>, series: Option<Series>) -> Result<Enqueued, NotAccepted> {
        // Without it there is no token to answer with.
        let Some(log) = self.id.get().cloned() else {
            return Err(NotAccepted::Unavailable("it is not known yet which log the broker holds".to_owned()));
        };
        // Boxed, as what else few come to: all would move the room for it about.
        let place = match &self.unapplied {
            None => None,
            Some(unapplied) => Some(Box::pin(unapplied.enter(entry.size())).await?),
        };
        let appended = self.groups.put(entry, series)?;
        let pending = match place {
            None => Pending::Acknowledgement(appended),
            Some(place) => Pending::Commit(Self::commit(appended, place), Instant::now() + self.ack_wait),
        };
        Ok(Enqueued { log, pending })
    }

    /// A task of its own keeps the message's place until the writer committed it, also when nobody waits any more: the
    /// place bounds what is on the log, not who waits.
    fn commit(appended: oneshot::Receiver<Appended>, mut place: Place) -> JoinHandle<Appended> {
        tokio::spawn(async move {
            let offset = acknowledged(appended).await?;
            place.until_applied(offset).await?;
            Ok(offset)
        })
    }

    async fn durable(&self, Enqueued { log, pending }: Enqueued) -> Result<ConsistencyToken, NotAccepted> {
        let offset = match pending {
            Pending::Acknowledgement(appended) => acknowledged(appended).await?,
            Pending::Commit(committing, until) => match Box::pin(timeout_at(until, committing)).await {
                Ok(Ok(committed)) => committed?,
                Ok(Err(error)) => return Err(NotAccepted::Unknown(error.to_string())),
                Err(_) => {
                    return Err(NotAccepted::too_late("the writer has not committed the command", self.ack_wait));
                }
            },
        };
        Ok(ConsistencyToken { log, offset })
    }
}

async fn acknowledged(appended: oneshot::Receiver<Appended>) -> Appended {
    appended.await.unwrap_or_else(|_| Err(NotAccepted::Unknown("the sending has ended".to_owned())))
}
