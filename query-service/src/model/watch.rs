//! Beside the database: whether the model in Redis is of the same history as the file, looked at again and again.
//!
//! A model that stayed in Redis while the file was restored from a backup looks whole, and is of another history. What
//! it says stands in the journal at its sequence tells them apart; once that is so for a generation, the projector's
//! own comparisons keep it so.

use std::sync::Arc;
use std::time::Duration;

use shared::http::health::{Condition, Readiness};
use tokio::sync::Notify;

use super::ReadModel;
use crate::announcements::REDIS;
use crate::query;
use crate::redis_model::{Miss, RedisModel};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks at Redis, and tells readiness how it is. Redis may be away: the database answers everything.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) model: Arc<ReadModel>,
    pub(crate) redis: Arc<RedisModel>,
    pub(crate) connected: Arc<Notify>,
    pub(crate) readiness: Readiness,
}

impl Watch {
    /// Does not end by itself.
    pub(crate) async fn run(self) {
        loop {
            match self.look().await {
                Ok(()) => self.readiness.tell(REDIS, Condition::Up, format!("reading {}", self.redis.address())),
                Err(detail) => {
                    self.readiness.tell(REDIS, Condition::Degraded, format!("{}: {detail}", self.redis.address()));
                }
            }
            let _ = tokio::time::timeout(LOOK_EVERY, self.connected.notified()).await;
        }
    }

    async fn look(&self) -> Result<(), String> {
        let state = match self.redis.state().await {
            Ok(found) => found.state,
            Err(Miss::Unreachable) => return Err(format!("{}: {}", Miss::Unreachable, self.redis.trouble())),
            Err(miss) => return Err(miss.to_string()),
        };
        if self.model.following.believes(state.generation) {
            return Ok(());
        }
        let sequence = state.sequence;
        let loaded = self.model.fresh(move |connection| query::journal::tip(connection, sequence)).await;
        let tip = loaded.map_err(|error| error.to_string())?.value;
        if tip.as_deref() != Some(&*state.tip) {
            return Err("the model is of another history than the database".to_owned());
        }
        self.model.following.believe(state.generation);
        Ok(())
    }
}
