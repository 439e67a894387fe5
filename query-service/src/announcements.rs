//! Follows the journal without the database file: by what the projector announces over Redis.
//!
//! An announcement says which sequence came before it, so one that was missed is noticed, and after two seconds of
//! silence anything may have been. Then the model's own state says how far it is, and memory starts from nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use redis::Msg;
use shared::http::health::{Condition, Readiness};
use shared::read_model::{Announcement, State};
use shared::token::LogId;
use tokio::sync::Notify;

use crate::following::{Applied, FollowError, Following, SILENCE};
use crate::query::logs::LogPosition;
use crate::redis_model::{Miss, RedisModel};

/// After an error.
const PAUSE: Duration = Duration::from_millis(100);
/// The dependency's name on `/health/ready`.
pub(crate) const REDIS: &str = "redis";

/// The follower of a process without the database file.
#[derive(Debug)]
pub(crate) struct Announcements {
    model: Arc<RedisModel>,
    following: Arc<Following>,
    readiness: Readiness,
    /// A reader has met another generation of the model than the one that is followed.
    pub(crate) surprise: Arc<Notify>,
    /// When the journal was last seen ahead of the model, and where it was then, until the model has come so far.
    behind: Option<(Instant, u64)>,
    /// Whether nothing was heard for a while.
    is_silent: bool,
}

enum Trouble {
    Fatal(FollowError),
    Passing(String),
    /// Redis answers, but nothing is heard of it: perhaps only this subscription is deaf.
    Deaf,
}

impl From<Miss> for Trouble {
    fn from(miss: Miss) -> Self {
        Self::Passing(miss.to_string())
    }
}

impl From<redis::RedisError> for Trouble {
    fn from(error: redis::RedisError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl Announcements {
    /// Hears nothing yet.
    pub(crate) fn new(model: Arc<RedisModel>, following: Arc<Following>, readiness: Readiness) -> Self {
        Self { model, following, readiness, surprise: Arc::default(), behind: None, is_silent: false }
    }

    /// Follows, and ends only if it cannot go on.
    pub(crate) async fn run(mut self) -> FollowError {
        loop {
            let detail = match self.listen().await {
                Ok(never) => match never {},
                Err(Trouble::Fatal(error)) => return error,
                Err(Trouble::Passing(detail)) => detail,
                Err(Trouble::Deaf) => continue,
            };
            // What was heard less than two seconds ago is still believed.
            if !self.following.is_current() {
                self.following.lost();
            }
            self.readiness.tell(REDIS, Condition::Down, format!("{}: {detail}", self.model.address()));
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&mut self) -> Result<Infallible, Trouble> {
        // Subscribed before the state is read: what is announced in between is heard.
        let mut messages = std::pin::pin!(self.model.subscribe().await?.into_on_message());
        self.synchronise().await?;
        if !self.is_silent {
            self.tell_whole();
        }
        let surprise = Arc::clone(&self.surprise);
        loop {
            tokio::select! {
                message = tokio::time::timeout(SILENCE, messages.next()) => match message {
                    Ok(Some(message)) => self.hear(&message).await?,
                    Ok(None) => return Err(Trouble::Passing("the subscription has ended".to_owned())),
                    Err(_) => return self.bear_silence().await,
                },
                () = surprise.notified() => self.synchronise().await?,
            }
        }
    }

    /// The projector says nothing. What Redis has is what was applied last, as long as Redis answers; whether that is
    /// the present is not known.
    async fn bear_silence(&mut self) -> Result<Infallible, Trouble> {
        self.synchronise().await?;
        self.is_silent = true;
        let detail = "the model is whole, but its projector is silent: answers are marked stale";
        self.readiness.tell(REDIS, Condition::Degraded, detail);
        Err(Trouble::Deaf)
    }

    /// Takes over how far the model is.
    async fn synchronise(&self) -> Result<(), Trouble> {
        let found = self.model.state().await?;
        let (state, superseded) = (found.state, found.value);
        let seen = self.following.sequence().max(self.following.told());
        let is_same = self.following.believes(state.generation);
        if state.sequence < seen {
            if is_same {
                // Read before an announcement that was heard since.
                return Ok(());
            }
            return Err(Trouble::Fatal(FollowError::WentBack { seen, found: state.sequence }));
        }
        let woken = if is_same && state.sequence == self.following.sequence() {
            Vec::new()
        } else {
            self.following.raise_all(state.sequence)
        };
        self.following.believe(state.generation);
        self.following.publish_quietly(applied(&state, superseded), &woken);
        Ok(())
    }

    async fn hear(&mut self, message: &Msg) -> Result<(), Trouble> {
        let heard: Announcement = match serde_json::from_slice(message.get_payload_bytes()) {
            Ok(heard) => heard,
            Err(error) => return Err(Trouble::Passing(format!("an announcement cannot be read: {error}"))),
        };
        let now = self.following.subscribe().borrow().clone();
        let is_known = self.following.believes(heard.generation)
            && heard.log.as_ref().is_none_or(|log| now.logs.iter().any(|known| known.is_current(log)));
        if !is_known {
            return self.synchronise().await;
        }
        if std::mem::take(&mut self.is_silent) {
            self.tell_whole();
        }
        self.note_lag(&heard);
        if heard.sequence < now.sequence {
            return Ok(());
        }
        let woken = if heard.previous > now.sequence {
            tracing::warn!(known = now.sequence, previous = heard.previous, "announcements were missed");
            self.following.raise_all(heard.sequence)
        } else {
            self.following.raise_announced(&heard)
        };
        let logs = now.logs.into_iter().map(|log| log.moved_to(&heard)).collect();
        self.following.publish(Applied { sequence: heard.sequence, logs }, &woken);
        Ok(())
    }

    /// A Redis that takes no more writes still announces; its model falls behind.
    fn note_lag(&mut self, heard: &Announcement) {
        let was_behind = self.following.is_behind();
        // Reached, or never noted: under load the journal is always a little ahead.
        if self.behind.is_none_or(|(_, journal)| heard.sequence >= journal) {
            self.behind = (heard.journal > heard.sequence).then(|| (Instant::now(), heard.journal));
        }
        let is_behind = self.behind.is_some_and(|(since, _)| since.elapsed() >= SILENCE);
        self.following.set_behind(is_behind);
        if is_behind {
            let detail = "the model is behind the journal: answers are marked stale; see listener-service's readiness";
            self.readiness.tell(REDIS, Condition::Degraded, detail);
        } else if was_behind {
            self.tell_whole();
        }
    }

    fn tell_whole(&self) {
        self.readiness.tell(REDIS, Condition::Up, format!("following {}", self.model.address()));
    }
}

fn applied(state: &State, superseded: Vec<String>) -> Applied {
    let superseded = superseded.into_iter().map(|log_id| LogPosition { log_id, next_offset: 0, is_superseded: true });
    let current = state.log.as_ref().map(|log| LogPosition {
        log_id: log.as_str().to_owned(),
        next_offset: state.next_offset,
        is_superseded: false,
    });
    Applied { sequence: state.sequence, logs: superseded.chain(current).collect() }
}

impl LogPosition {
    fn is_current(&self, log: &LogId) -> bool {
        !self.is_superseded && self.log_id == log.as_str()
    }

    fn moved_to(mut self, heard: &Announcement) -> Self {
        if heard.log.as_ref().is_some_and(|log| self.is_current(log)) {
            // It can go back: an operator may have accepted a log that was made anew.
            self.next_offset = heard.next_offset;
        }
        self
    }
}

#[cfg(test)]
mod tests;
