//! Filling: a new model, call by call, each of which is refused unless it finds what the one before left.
//!
//! The sequence that the model will claim is read before its first document, so documents may be newer than it, and
//! none is older; what changed meanwhile follows from the journal.

use std::time::Instant;

use shared::clock::Timestamp;
use shared::http::health::Condition;
use shared::id::ItemId;
use shared::read_model::{FORM, State};
use uuid::Uuid;

use super::call::{Documents, json};
use super::link::{Cache, Calls};
use super::source::{Mark, OpenLine, Position};
use super::whole::{Model, UP, announcement};
use super::{Fault, Phase, Projector, REDIS, Step};
use crate::clock::TimeSource;

/// A fill on its way.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    pub(super) generation: Uuid,
    pub(super) run: String,
    pub(super) began: Instant,
    time: TimeSource,
    epoch: i64,
    calls: u64,
    stage: Stage,
    /// As of before its first document.
    position: Position,
    mark: Mark,
    superseded: String,
    items: usize,
    reservations: usize,
    /// How many of these have ended.
    ended: usize,
    /// Below this number, only pending reservations are filled in.
    reservations_from: u64,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Outcomes may be there of commands that a restore has undone: away with them first, from this cursor on.
    Outcomes(String),
    /// The items with ids above this one are left.
    Items(Option<ItemId>),
    /// The stores with ids above this one are left.
    Stores(String),
    /// The reservations with numbers below this one are left.
    Reservations(Option<u64>),
    /// Of those with numbers below [`Fill::reservations_from`], the pending ones with lines behind this one are left.
    Pending(OpenLine),
    /// Nothing is left.
    Nothing,
}

impl Fill {
    pub(super) fn new(
        epoch: i64,
        run: String,
        position: Position,
        mark: Mark,
        superseded: String,
        time: TimeSource,
    ) -> Self {
        Self {
            generation: shared::id::random(),
            run,
            began: time.instant(),
            time,
            epoch,
            calls: 0,
            stage: Stage::Outcomes("0".to_owned()),
            position,
            mark,
            superseded,
            items: 0,
            reservations: 0,
            ended: 0,
            reservations_from: 0,
        }
    }

    /// What outcomes are there are of this journal, so they can stay: an outcome never changes.
    pub(super) fn keep_outcomes(&mut self) {
        self.stage = Stage::Items(None);
    }

    /// What the field `filling` has.
    pub(super) fn text(&self) -> String {
        format!("{} {} {}", self.generation, self.epoch, self.calls)
    }

    fn next(&self, stage: Stage) -> Self {
        Self { calls: self.calls + 1, stage, ..self.clone() }
    }

    /// Whole as of before its first document, with no outcome up to there.
    fn finished(&self, evicted: u64) -> Model {
        let Mark { sequence, tip, occurred_at } = self.mark.clone();
        let state = State {
            form: FORM,
            generation: self.generation,
            run: self.run.clone(),
            epoch: self.epoch,
            sequence,
            tip,
            log: self.position.log.clone(),
            next_offset: self.position.next_offset,
            outcomes_since: if sequence == 0 {
                Timestamp::from_millis(0)
            } else {
                occurred_at.max(self.time.wall_clock()).plus_millis(1)
            },
            reservations_from: self.reservations_from,
        };
        Model::new(state, self.mark.occurred_at, evicted, self.time.clone())
    }
}

impl<C: Cache> Projector<C> {
    /// The next call of a fill.
    pub(super) fn fill_on(&mut self, fill: &Fill) -> Result<Step, Fault> {
        // It was emptied at once: nothing may claim to be whole meanwhile.
        if !self.pauses.are_over() {
            self.parts.status.tell(
                REDIS,
                Condition::Degraded,
                "waiting to fill the read model again: it is lost early",
            );
            return Ok(Step::Blocked);
        }
        match fill.stage.clone() {
            Stage::Outcomes(cursor) => self.forget(fill, &cursor),
            Stage::Items(after) => self.fill_items(fill, after),
            Stage::Stores(after) => self.fill_stores(fill, &after),
            Stage::Reservations(before) => self.fill_reservations(fill, before),
            Stage::Pending(after) => self.fill_pending(fill, &after),
            Stage::Nothing => self.finish(fill),
        }
    }

    fn forget(&mut self, fill: &Fill, cursor: &str) -> Result<Step, Fault> {
        self.snapshot()?;
        let (text, mut next) = (fill.text(), fill.next(Stage::Outcomes(cursor.to_owned())));
        let next_text = next.text();
        let said = self.call(Phase::Filling(next.clone()), |link| link.forget(&text, &next_text, cursor))?;
        if let Some(cursor) = said {
            next.stage = if cursor == "0" { Stage::Items(None) } else { Stage::Outcomes(cursor) };
            self.phase = Phase::Filling(next);
        }
        Ok(Step::Progressed)
    }

    fn fill_items(&mut self, fill: &Fill, after: Option<ItemId>) -> Result<Step, Fault> {
        let (snapshot, position) = self.snapshot()?;
        let found = snapshot.items_after(after, position.last)?;
        drop(snapshot);
        let stage = found.last().map_or(Stage::Stores(String::new()), |last| Stage::Items(Some(last.id)));
        let next = Fill { items: fill.items + found.len(), ..fill.next(stage) };
        self.write_part(fill, next, &Documents::of(&found, &[], &[]))
    }

    fn fill_stores(&mut self, fill: &Fill, after: &str) -> Result<Step, Fault> {
        let (snapshot, position) = self.snapshot()?;
        let found = snapshot.stores_after(after, position.last)?;
        drop(snapshot);
        let stage = found.last().map_or(Stage::Reservations(None), |last| Stage::Stores(last.store.store_id.clone()));
        self.write_part(fill, fill.next(stage), &Documents::of(&[], &[], &found))
    }

    /// The newest first, until enough of them have ended.
    fn fill_reservations(&mut self, fill: &Fill, before: Option<u64>) -> Result<Step, Fault> {
        let (snapshot, position) = self.snapshot()?;
        let found = snapshot.reservations_before(before, position.last)?;
        drop(snapshot);
        let ended = fill.ended + found.iter().filter(|reservation| reservation.ended_at.is_some()).count();
        let (stage, reservations_from) = match found.last() {
            Some(last) if ended < self.ended_kept => (Stage::Reservations(Some(last.number)), 0),
            Some(last) => (Stage::Pending(OpenLine::before_all()), last.number),
            None => (Stage::Nothing, 0),
        };
        let reservations = fill.reservations + found.len();
        let next = Fill { reservations, ended, reservations_from, ..fill.next(stage) };
        self.write_part(fill, next, &Documents::of(&[], &found, &[]))
    }

    fn fill_pending(&mut self, fill: &Fill, after: &OpenLine) -> Result<Step, Fault> {
        let (snapshot, position) = self.snapshot()?;
        let (found, reached) = snapshot.pending_below(fill.reservations_from, after, position.last)?;
        drop(snapshot);
        let stage = reached.map_or(Stage::Nothing, Stage::Pending);
        let next = Fill { reservations: fill.reservations + found.len(), ..fill.next(stage) };
        self.write_part(fill, next, &Documents::of(&[], &found, &[]))
    }

    fn write_part(&mut self, fill: &Fill, next: Fill, documents: &Documents) -> Result<Step, Fault> {
        let (text, next_text) = (fill.text(), next.text());
        self.call(Phase::Filling(next), |link| link.fill(&text, &next_text, documents))?;
        Ok(Step::Progressed)
    }

    fn finish(&mut self, fill: &Fill) -> Result<Step, Fault> {
        let (snapshot, position) = self.snapshot()?;
        let summary = json(&snapshot.summary(position.last)?);
        drop(snapshot);
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        let model = fill.finished(link.evicted()?);
        let told = json(&announcement(&model.state, model.state.sequence, position.last, None));
        let (text, state, beside) = (fill.text(), model.text.clone(), [fill.superseded.as_str(), &summary]);
        let said = self.call(Phase::Whole(model), |link| link.finish(&text, &state, beside, &told))?;
        if said.is_some() {
            let took_ms = fill.time.since(fill.began).as_millis();
            let (items, reservations) = (fill.items, fill.reservations);
            tracing::info!(generation = %fill.generation, items, reservations, took_ms, "the read model is whole");
            self.parts.status.tell(REDIS, Condition::Up, UP);
        }
        Ok(Step::Progressed)
    }
}
