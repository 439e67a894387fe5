//! Following: batches of the journal into a whole model, the look whether it still is whole, the outcomes that were told
//! before it was filled, and the reservations that ended too long ago to be kept.

use std::time::Instant;

use shared::clock::Timestamp;
use shared::http::health::Condition;
use shared::read_model::{Announcement, OUTCOME_SECONDS, State, StoredReservation};
use shared::text::StoreId;

use super::call::{Batch, Documents, Reservation, json, lasting};
use super::link::{Cache, Calls};
use super::source::{Changes, EarlierOutcomes, Mark, Position};
use super::{Fault, Phase, Projector, REDIS, Step};
use crate::clock::TimeSource;

/// The most reservations that are dropped in one call; each has a handful of index entries, and one a line.
const DROPPED_AT_ONCE: usize = 100;

/// What readiness says then.
pub(super) const UP: &str = "the read model is whole";

/// A whole model, as it was left.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// What its next state is made from.
    pub(super) state: State,
    /// The state in Redis, to the byte.
    pub(super) text: String,
    /// Since when this process has known it to be whole.
    pub(super) whole_since: Instant,
    time: TimeSource,
    /// When the last entry in it was journaled.
    occurred_at: Timestamp,
    /// Outcomes of entries up to this one may be missing; none if no one is.
    earlier: Option<u64>,
    /// How many keys Redis had evicted.
    evicted: u64,
    /// How many reservations in it had ended when it was looked at last, less those that were dropped since.
    ended: usize,
}

impl Model {
    /// Without the outcomes of what is in it.
    pub(super) fn new(state: State, occurred_at: Timestamp, evicted: u64, time: TimeSource) -> Self {
        let some_are_missing = state.sequence > 0 && state.outcomes_since > kept_since(occurred_at);
        let earlier = Some(state.sequence).filter(|_| some_are_missing);
        let whole_since = time.instant();
        Self { text: json(&state), state, whole_since, time, occurred_at, earlier, evicted, ended: 0 }
    }

    /// One that another process left, or this one before it lost sight of it.
    pub(super) fn adopted(state: State, mark: &Mark, evicted: u64, time: TimeSource) -> Self {
        let mut model = Self::new(state, mark.occurred_at, evicted, time);
        // Nobody knows since when they are gone.
        if evicted > 0 {
            model.doubt_outcomes();
            model.earlier = Some(model.state.sequence);
        }
        model
    }

    /// Any outcome up to here may be gone.
    fn doubt_outcomes(&mut self) {
        // The writer's clock may be behind the one that ids of commands are made by.
        self.state.outcomes_since = self.occurred_at.max(self.time.wall_clock()).plus_millis(1);
        // To bring back what does not fit would drive out more.
        self.earlier = None;
    }

    fn followed_by(&self, changes: &Changes, position: &Position) -> Self {
        let Mark { sequence, tip, occurred_at } = changes.end.clone();
        let mut state = State { sequence, tip, ..self.state.clone() };
        // A token must not be satisfied before its facts are here: in the middle of the journal, those of the requests
        // before that of the next entry are.
        let reached = match &changes.next {
            None => Some(position.next_offset),
            Some((log, offset)) => Some(*offset).filter(|_| position.log.as_ref() == Some(log)),
        };
        if let Some(next_offset) = reached {
            state.log.clone_from(&position.log);
            state.next_offset = next_offset;
        }
        Self { text: json(&state), state, occurred_at, ..self.clone() }
    }

    /// Once there are no more, what is older than is kept is not claimed: a reader may think it younger, for the writer's
    /// clock may have been ahead of its own since.
    fn with_earlier(&self, found: &EarlierOutcomes) -> Self {
        // Others of the same millisecond may be before it.
        let last = |mark: &Mark| mark.occurred_at.plus_millis(1);
        let since = found.oldest.as_ref().map_or_else(|| kept_since(self.occurred_at), last);
        let state = State { outcomes_since: since.min(self.state.outcomes_since), ..self.state.clone() };
        let earlier = found.oldest.as_ref().map(|mark| mark.sequence - 1);
        Self { text: json(&state), state, earlier, ..self.clone() }
    }

    /// Without some reservations.
    fn without(&self, dropped: &[StoredReservation]) -> Self {
        let from = dropped.iter().map(|reservation| reservation.number + 1).max().unwrap_or(0);
        let state = State { reservations_from: from.max(self.state.reservations_from), ..self.state.clone() };
        let ended = self.ended.saturating_sub(dropped.len());
        Self { text: json(&state), state, ended, ..self.clone() }
    }

    fn mark(&self) -> Mark {
        let State { sequence, tip, .. } = self.state.clone();
        Mark { sequence, tip, occurred_at: self.occurred_at }
    }
}

/// How old an outcome may be that is kept, when this was the last entry's time.
fn kept_since(last: Timestamp) -> Timestamp {
    let kept_for = i64::try_from(OUTCOME_SECONDS * 1000).expect("an hour");
    Timestamp::from_millis((last.millis() - kept_for).max(0))
}

/// What is told of a state; without changes it is a heartbeat.
pub(super) fn announcement(state: &State, previous: u64, journal: u64, changes: Option<&Changes>) -> Announcement {
    Announcement {
        generation: state.generation,
        previous,
        sequence: state.sequence,
        log: state.log.clone(),
        next_offset: state.next_offset,
        journal,
        items: changes.map(|changes| changes.items.clone()).unwrap_or_default(),
        reservations: changes
            .map(|changes| changes.reservations.iter().map(|reservation| reservation.id).collect())
            .unwrap_or_default(),
        stores: changes.map(stores).unwrap_or_default(),
        commands: changes
            .map(|changes| changes.outcomes.iter().map(|(command, _)| *command).collect())
            .unwrap_or_default(),
    }
}

fn stores(changes: &Changes) -> Vec<StoreId> {
    let ids = changes.stores.iter().map(|store| StoreId::parse(&store.store.store_id));
    ids.map(|id| id.expect("the table holds none that is no id")).collect()
}

impl<C: Cache> Projector<C> {
    /// What there is to do beside a whole model.
    pub(super) fn follow(&mut self, mut model: Model) -> Result<Step, Fault> {
        if self.until_next_look().is_zero() {
            match self.look(model)? {
                Some(looked_at) => model = looked_at,
                None => return Ok(Step::Progressed),
            }
        }
        let (snapshot, position) = self.snapshot()?;
        if position.last < model.state.sequence {
            drop(snapshot);
            self.was_whole_in = None;
            self.lose(Some("the journal is shorter than it was".to_owned()));
            return Ok(Step::Progressed);
        }
        let changes = snapshot.changes(model.mark(), position.last)?;
        drop(snapshot);
        let next = model.followed_by(&changes, &position);
        let has_news = next.text != model.text;
        if has_news && !self.project(&model.text, &next, &changes, &position)? {
            return Ok(Step::Progressed);
        }
        let has_walked = self.bring_earlier_outcomes(&position)?;
        let has_dropped = self.drop_ended(&position)?;
        self.parts.status.tell(REDIS, Condition::Up, UP);
        Ok(if has_news || has_walked || has_dropped { Step::Progressed } else { Step::Idle })
    }

    /// Whether it still is what it was left as; if so, that is told to all.
    fn look(&mut self, mut model: Model) -> Result<Option<Model>, Fault> {
        let (_, position) = self.snapshot()?;
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        let evicted = link.evicted()?;
        // Less than before: somebody has reset the statistics, and there may have been more.
        if evicted != model.evicted {
            model.evicted = evicted;
            model.doubt_outcomes();
            self.warn_of_evictions();
        }
        let heartbeat = json(&announcement(&model.state, model.state.sequence, position.last, None));
        let text = model.text.clone();
        let said = self.call(Phase::Whole(model.clone()), |link| link.check(&text, &heartbeat))?;
        self.looked = Some(self.parts.time.instant());
        let Some(ended) = said else { return Ok(None) };
        model.ended = ended.parse().unwrap_or(0);
        self.phase = Phase::Whole(model.clone());
        Ok(Some(model))
    }

    fn project(&mut self, expected: &str, next: &Model, changes: &Changes, at: &Position) -> Result<bool, Fault> {
        let started = Instant::now();
        let done = self.write(expected, next, "", at, Some(changes))?;
        if done {
            metrics::histogram!("inventory_projector_batch_seconds").record(started.elapsed().as_secs_f64());
        }
        Ok(done)
    }

    /// Replaces the state `expected` by that of `next`, and with it everything that changed. `false` if it was not there.
    pub(super) fn write(
        &mut self,
        expected: &str,
        next: &Model,
        superseded: &str,
        position: &Position,
        changes: Option<&Changes>,
    ) -> Result<bool, Fault> {
        let previous = match &self.phase {
            Phase::Whole(model) => model.state.sequence,
            Phase::Unknown(_) | Phase::Filling(_) => next.state.sequence,
        };
        let told = json(&announcement(&next.state, previous, position.last, changes));
        let text = json(&next.state);
        let next = Model { text: text.clone(), ..next.clone() };
        let batch = Batch {
            expected,
            next: &text,
            superseded,
            summary: &changes.map(|changes| json(&changes.summary)).unwrap_or_default(),
            announcement: &told,
            documents: changes
                .map(|changes| Documents::of(&changes.live, &changes.reservations, &changes.stores))
                .unwrap_or_default(),
            deleted: changes.map(|changes| changes.deleted.as_slice()).unwrap_or_default(),
            dropped: Vec::new(),
            outcomes: changes.map(|changes| lasting(&changes.outcomes, next.occurred_at)).unwrap_or_default(),
        };
        Ok(self.call(Phase::Whole(next), |link| link.apply(&batch))?.is_some())
    }

    /// Some outcomes that were told before the model was filled, newest first. `false` if there are none left.
    fn bring_earlier_outcomes(&mut self, position: &Position) -> Result<bool, Fault> {
        let Phase::Whole(model) = self.phase.clone() else { return Ok(false) };
        let Some(through) = model.earlier.filter(|_| !self.parts.shutdown.has_begun()) else { return Ok(false) };
        let now = model.occurred_at;
        let (snapshot, _) = self.snapshot()?;
        let found = snapshot.earlier_outcomes(through, kept_since(now))?;
        drop(snapshot);
        let next = model.with_earlier(&found);
        let told = json(&announcement(&next.state, next.state.sequence, position.last, None));
        let batch = Batch {
            expected: &model.text,
            next: &next.text,
            superseded: "",
            summary: "",
            announcement: &told,
            documents: Documents::default(),
            deleted: &[],
            dropped: Vec::new(),
            outcomes: lasting(&found.outcomes, now),
        };
        self.call(Phase::Whole(next.clone()), |link| link.apply(&batch))?;
        Ok(true)
    }

    /// Some of the reservations that ended first, if more have ended than are kept. `false` if not.
    fn drop_ended(&mut self, position: &Position) -> Result<bool, Fault> {
        let Phase::Whole(model) = self.phase.clone() else { return Ok(false) };
        let count = model.ended.saturating_sub(self.ended_kept).min(DROPPED_AT_ONCE);
        if count == 0 || self.parts.shutdown.has_begun() {
            return Ok(false);
        }
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        let documents = link.ended_first(count)?;
        let read = |text: &Option<String>| serde_json::from_str(text.as_deref()?).ok();
        let dropped: Option<Vec<StoredReservation>> = documents.iter().map(read).collect();
        let Some(dropped) = dropped else {
            self.lose(Some("a reservation that is said to have ended is missing".to_owned()));
            return Ok(true);
        };
        let next = model.without(&dropped);
        let told = json(&announcement(&next.state, next.state.sequence, position.last, None));
        let batch = Batch {
            expected: &model.text,
            next: &next.text,
            superseded: "",
            summary: "",
            announcement: &told,
            documents: Documents::default(),
            deleted: &[],
            dropped: dropped.iter().map(Reservation::to_drop).collect(),
            outcomes: Vec::new(),
        };
        self.call(Phase::Whole(next.clone()), |link| link.apply(&batch))?;
        Ok(true)
    }

    fn warn_of_evictions(&mut self) {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                "Redis evicts keys: outcomes are gone before their time; give it more memory (maxmemory), and let \
                 maxmemory-policy be volatile-lru or noeviction, so that the read model itself stays"
            );
        }
    }
}
