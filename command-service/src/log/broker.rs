//! Watching the broker: what readiness says of it, and which log it holds.
//!
//! The log's id is part of every token, so it is learned in the background, as soon as the broker answers: no request
//! pays for it. It never changes under a running process: when another log is found behind the address, this one ends.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{BrokerState, Producer};
use shared::http::health::{Condition, Readiness};
use shared::token::LogId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::CommandLog;

/// The name of the dependency in `/health/ready`.
pub(crate) const BROKER: &str = "broker";
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// While all is well, how often the log's id is compared.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

/// This process cannot go on; only a new one can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogLost {
    /// The client is at its end.
    #[error("the producer cannot go on: {0}")]
    ProducerDied(String),
    /// Its tokens would name the log that was there before.
    #[error("the broker's log was {was} and is {is} now: see docs/OPERATIONS.md#another-log")]
    Another {
        /// What was learned at the start.
        was: LogId,
        /// What the broker says now.
        is: LogId,
    },
}

/// Tells readiness how the broker is, as it changes.
pub(crate) struct BrokerWatch {
    producer: Producer,
    state: watch::Receiver<BrokerState>,
    log_id: Arc<OnceLock<LogId>>,
    readiness: Readiness,
}

impl BrokerWatch {
    pub(crate) fn new(log: &CommandLog, readiness: Readiness) -> Self {
        let producer = log.producer.clone();
        Self { state: producer.state(), producer, log_id: Arc::clone(&log.id), readiness }
    }

    /// Watches until the log is lost.
    pub(crate) async fn run(mut self) -> LogLost {
        loop {
            if let Some(lost) = self.lost() {
                self.readiness.tell(BROKER, Condition::Down, lost.to_string());
                return lost;
            }
            let state = self.state.borrow_and_update().clone();
            let settled = self.step(state).await;
            // While the broker is up and something is still to come, its state alone would not change.
            let pause = if settled { COMPARE_EVERY } else { LOOK_AGAIN };
            let _ = timeout(pause, self.state.changed()).await;
        }
    }

    fn lost(&self) -> Option<LogLost> {
        if let Some(reason) = self.producer.fatal_error() {
            return Some(LogLost::ProducerDied(reason));
        }
        let was = self.log_id.get()?.clone();
        // What the producer's own looks at the broker found, without asking it for this.
        let is = self.producer.log_id(Duration::ZERO).filter(|is| *is != was)?;
        Some(LogLost::Another { was, is })
    }

    /// Whether there is nothing more to do in this state.
    async fn step(&self, state: BrokerState) -> bool {
        let (settled, condition, detail) = match state {
            BrokerState::Down(reason) => (true, Condition::Down, reason),
            BrokerState::Up if !self.learn_log_id().await => {
                (false, Condition::Down, "it does not say which cluster it is of".to_owned())
            }
            // Else the first request would wait for what the producer still fetches.
            BrokerState::Up if !self.producer.is_warm() => (false, Condition::Down, "warming up".to_owned()),
            BrokerState::Up => (true, Condition::Up, "connected".to_owned()),
        };
        self.readiness.tell(BROKER, condition, detail);
        settled
    }

    /// Whether it is known.
    async fn learn_log_id(&self) -> bool {
        if self.log_id.get().is_none() {
            let producer = self.producer.clone();
            let asked = tokio::task::spawn_blocking(move || producer.log_id(LOOK_TIMEOUT)).await;
            if let Ok(Some(id)) = asked {
                tracing::info!(log = %id, "the commands' log is known");
                let _ = self.log_id.set(id);
            }
        }
        self.log_id.get().is_some()
    }
}
