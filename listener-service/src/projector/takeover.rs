//! What to do with what is in Redis: at the start, after a reconnect, and whenever it is not what it was left as.

use shared::http::health::Condition;
use shared::read_model::State;

use super::fill::Fill;
use super::link::{Cache, Calls, Marks};
use super::source::{Mark, Position};
use super::whole::Model;
use super::{Fault, Phase, Projector, REDIS, Step};

/// Whether a model can be gone on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is one of this journal, in this life of this Redis.
    Adopt(Box<State>),
    /// It is not, for this reason.
    Fill(&'static str),
}

/// `at` tells what the journal has at a sequence.
pub(super) fn examine<E>(
    text: Option<&str>,
    run: &str,
    position: &Position,
    at: impl FnOnce(u64) -> Result<Option<Mark>, E>,
) -> Result<Verdict, E> {
    let Some(text) = text else { return Ok(Verdict::Fill("there is none")) };
    let Ok(state) = serde_json::from_str::<State>(text) else {
        return Ok(Verdict::Fill("its state is of another version"));
    };
    if state.run != run {
        return Ok(Verdict::Fill("it comes from a dump"));
    }
    // The lease was looked at after the state, and it is ours: so this is no listener that has taken over from us, but
    // one of a history that was lost in a restore.
    if state.epoch > position.epoch {
        return Ok(Verdict::Fill("it was written under a later lease: the database was restored"));
    }
    if state.sequence > position.last {
        return Ok(Verdict::Fill("it is ahead of the journal: the database was restored"));
    }
    let is_of_this_journal = at(state.sequence)?.is_some_and(|mark| mark.tip == state.tip);
    Ok(if is_of_this_journal {
        Verdict::Adopt(Box::new(state))
    } else {
        Verdict::Fill("it is of another journal: the database was restored")
    })
}

impl<C: Cache> Projector<C> {
    /// Looks at what is there, and adopts it or begins to fill.
    pub(super) fn take_over(&mut self, reason: Option<String>) -> Result<Step, Fault> {
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        // In this order: who has taken over from us has raised the epoch before touching the model.
        let (marks, run) = (link.marks()?, link.run().to_owned());
        let (snapshot, position) = self.snapshot()?;
        let verdict = examine(marks.state.as_deref(), &run, &position, |sequence| snapshot.mark(sequence))?;
        let superseded = super::call::json(&snapshot.superseded()?);
        let is_of_this_journal =
            self.was_whole_in.as_ref() == Some(&run) && (marks.state.is_none() || reason.is_some());
        let why = match (reason, verdict) {
            (Some(reason), _) => reason,
            (None, Verdict::Fill(why)) => why.to_owned(),
            (None, Verdict::Adopt(state)) => {
                let mark = snapshot.mark(state.sequence)?.expect("it was there a moment ago");
                drop(snapshot);
                return self.adopt(*state, &mark, &marks, &superseded, &position);
            }
        };
        let mark = snapshot.mark(position.last)?.expect("the last entry is there");
        drop(snapshot);
        let mut fill = Fill::new(self.parts.epoch, run, position, mark, superseded, self.parts.time.clone());
        if is_of_this_journal {
            fill.keep_outcomes();
        }
        self.begin(&marks, &why, fill)
    }

    fn adopt(
        &mut self,
        state: State,
        mark: &Mark,
        marks: &Marks,
        superseded: &str,
        position: &Position,
    ) -> Result<Step, Fault> {
        let link = self.link.as_mut().expect("connected at the beginning of the step");
        let evicted = link.evicted()?;
        let mut model = Model::adopted(state, mark, evicted, self.parts.time.clone());
        model.state.epoch = self.parts.epoch;
        let expected = marks.state.clone().unwrap_or_default();
        if self.write(&expected, &model, superseded, position, None)? {
            let sequence = model.state.sequence;
            tracing::info!(generation = %model.state.generation, sequence, "adopted the read model");
            self.parts.status.tell(REDIS, Condition::Up, super::whole::UP);
        }
        Ok(Step::Progressed)
    }

    fn begin(&mut self, marks: &Marks, why: &str, fill: Fill) -> Result<Step, Fault> {
        tracing::info!(generation = %fill.generation, reason = why, "filling the read model");
        metrics::counter!("inventory_projector_fills_total").increment(1);
        let (text, generation) = (fill.text(), fill.generation);
        self.call(Phase::Filling(fill), |link| link.begin(marks, &text, generation))?;
        Ok(Step::Progressed)
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;
    use shared::read_model::FORM;

    use super::*;

    const RUN: &str = "this";

    fn state() -> State {
        State {
            form: FORM,
            generation: shared::id::random(),
            run: RUN.to_owned(),
            epoch: 2,
            sequence: 5,
            tip: "tip".to_owned(),
            log: None,
            next_offset: 0,
            outcomes_since: Timestamp::from_millis(0),
            reservations_from: 0,
        }
    }

    /// With a journal of 7 entries, under epoch 3.
    fn verdict(state: &State) -> Verdict {
        let text = super::super::call::json(state);
        let position = Position { epoch: 3, last: 7, log: None, next_offset: 0 };
        let mark = |sequence| Mark { sequence, tip: "tip".to_owned(), occurred_at: Timestamp::from_millis(0) };
        examine::<()>(Some(&text), RUN, &position, |sequence| Ok(Some(mark(sequence)))).expect("no error")
    }

    #[test]
    fn a_model_of_this_journal_is_adopted_and_no_other() {
        let state = state();
        assert_eq!(verdict(&state), Verdict::Adopt(Box::new(state.clone())));
        for (what, other) in [
            ("another life", State { run: "that".to_owned(), ..state.clone() }),
            ("a later lease", State { epoch: 4, ..state.clone() }),
            ("ahead", State { sequence: 8, ..state.clone() }),
            ("another journal", State { tip: "other".to_owned(), ..state.clone() }),
        ] {
            assert!(matches!(verdict(&other), Verdict::Fill(_)), "{what}");
        }
    }
}
