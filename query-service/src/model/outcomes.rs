//! What became of a command. Once it is told, no read of this process is older than it.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::id::CommandId;
use shared::read_model::{OUTCOME_SECONDS, State, StoredOutcome};

use super::{Found, Origin, ReadError, ReadModel};
use crate::query::outcomes;
use crate::redis_model::Miss;

/// How much the clocks of two hosts may differ.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

impl ReadModel {
    /// The final outcome of a command; `None` if there is none. Without the database that can be told only of a command
    /// whose outcome Redis would still have.
    pub(crate) async fn outcome(&self, command: CommandId) -> Result<Option<Found<StoredOutcome>>, ReadError> {
        let in_redis = self.outcome_in_redis(command).await;
        if let Ok((_, Some(outcome))) = in_redis {
            self.following.tell(outcome.sequence);
            return Ok(Some(self.in_redis(outcome)));
        }
        if self.database.is_none() {
            let (state, _) = in_redis?;
            return if would_be_there(command, &state) {
                Ok(None)
            } else {
                Err(ReadError::NeedsDatabase("the outcome may be older than an hour, and Redis keeps it for so long"))
            };
        }
        let loaded = self.fresh(move |connection| outcomes::outcome(connection, command)).await;
        let outcome = loaded.map_err(ReadError::Unavailable)?.value;
        if let Some(outcome) = &outcome {
            self.following.tell(outcome.sequence);
        }
        Ok(outcome.map(|value| Found { value, origin: Origin::Database, is_stale: false }))
    }

    /// Whether an outcome that is not found can be told from one that is kept no longer.
    pub(crate) fn can_tell_absence(&self, command: CommandId) -> bool {
        self.database.is_some() || command.made_at().is_some()
    }

    async fn outcome_in_redis(&self, command: CommandId) -> Result<(Arc<State>, Option<StoredOutcome>), Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        let found = redis.outcome(command).await?;
        if self.is_of_ours(&found.state).await { Ok((found.state, found.value)) } else { Err(Miss::NotWhole) }
    }
}

/// Whether Redis would have the outcome, had there ever been one. Only an id that is not derived from a key tells when
/// it was made.
fn would_be_there(command: CommandId, state: &State) -> bool {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let kept_since = Timestamp::wall_clock().plus_millis(-millis(Duration::from_secs(OUTCOME_SECONDS)));
    let since = kept_since.max(state.outcomes_since).plus_millis(millis(CLOCK_SKEW));
    command.made_at().is_some_and(|made_at| made_at >= since)
}
