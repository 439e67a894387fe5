//! Filling: a new model, call by call, each of which is refused unless it finds what the one before left.
//!
//! The sequence that the model will claim is read before its first document, so documents may be newer than it, and
//! none is older; what changed meanwhile follows from the journal.

use std::time::Instant;

use shared::clock::Timestamp;
use shared::http::health::Condition;
use shared::id::ItemId;
use shared::read_model::State;
use uuid::Uuid;

use super::call::{Item, json};
use super::source::{Mark, Position};
use super::whole::{Model, UP, announcement};
use super::{Fault, Phase, Projector, REDIS, Step};

/// A fill on its way.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    pub(super) generation: Uuid,
    pub(super) run: String,
    pub(super) began: Instant,
    epoch: i64,
    calls: u64,
    stage: Stage,
    /// As of before its first document.
    position: Position,
    mark: Mark,
    superseded: String,
    items: usize,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Outcomes may be there of commands that a restore has undone: away with them first, from this cursor on.
    Outcomes(String),
    /// The items with ids above this one are left.
    Items(Option<ItemId>),
}

impl Fill {
    pub(super) fn new(epoch: i64, run: String, position: Position, mark: Mark, superseded: String) -> Self {
        Self {
            generation: shared::id::random(),
            run,
            began: Instant::now(),
            epoch,
            calls: 0,
            stage: Stage::Outcomes("0".to_owned()),
            position,
            mark,
            superseded,
            items: 0,
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
                occurred_at.max(Timestamp::wall_clock()).plus_millis(1)
            },
        };
        Model::new(state, self.mark.occurred_at, evicted)
    }
}

impl Projector {
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
        let Some(last) = found.last() else { return self.finish(fill, &position) };
        let mut next = fill.next(Stage::Items(Some(last.id)));
        next.items += found.len();
        let (text, next_text) = (fill.text(), next.text());
        let items: Vec<Item> = found.iter().map(Item::of).collect();
        self.call(Phase::Filling(next), |link| link.fill(&text, &next_text, &items))?;
        Ok(Step::Progressed)
    }

    fn finish(&mut self, fill: &Fill, position: &Position) -> Result<Step, Fault> {
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        let model = fill.finished(link.evicted()?);
        let told = json(&announcement(&model.state, model.state.sequence, position.last, None));
        let (text, state) = (fill.text(), model.text.clone());
        let said = self.call(Phase::Whole(model), |link| link.finish(&text, &state, &fill.superseded, &told))?;
        if said.is_some() {
            let took_ms = fill.began.elapsed().as_millis();
            tracing::info!(generation = %fill.generation, items = fill.items, took_ms, "the read model is whole");
            self.parts.status.tell(REDIS, Condition::Up, UP);
        }
        Ok(Step::Progressed)
    }
}
