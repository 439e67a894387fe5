//! What a reader of the simulated cache may rely on, looked at after every call that did something: in one life of a
//! model nothing gets older.

use std::collections::BTreeMap;

use shared::read_model::{STATE, State};
use testkit::read_model::Documents;
use uuid::Uuid;

#[derive(Debug, Default)]
pub(crate) struct Watch {
    life: Option<(usize, Uuid)>,
    sequence: u64,
    epoch: i64,
    /// As of which sequence each document is, by what it is of.
    as_of: BTreeMap<String, u64>,
    pub(crate) found: Vec<String>,
    pub(crate) looks: usize,
}

impl Watch {
    /// `run` is the life of the process.
    pub(crate) fn look(&mut self, run: usize, model: &Documents) {
        // One that is being filled is shown to nobody.
        let Some(state) = model.items.get(STATE) else { return };
        let Ok(state) = serde_json::from_str::<State>(state) else {
            self.found.push(format!("the state cannot be read: {state}"));
            return;
        };
        self.looks += 1;
        let life = Some((run, state.generation));
        if self.life != life {
            *self = Self { life, found: std::mem::take(&mut self.found), looks: self.looks, ..Self::default() };
        }
        if state.sequence < self.sequence {
            self.found.push(format!("the model went back from {} to {}", self.sequence, state.sequence));
        }
        if state.epoch < self.epoch {
            self.found.push(format!("the model went back from epoch {} to {}", self.epoch, state.epoch));
        }
        (self.sequence, self.epoch) = (state.sequence, state.epoch);
        let all = [("item", &model.items), ("reservation", &model.reservations), ("store", &model.stores)];
        for (kind, (id, text)) in all.into_iter().flat_map(|(kind, of)| of.iter().map(move |entry| (kind, entry))) {
            let Some(as_of) = as_of(text) else { continue };
            let before = self.as_of.insert(format!("{kind} {id}"), as_of).unwrap_or(0);
            if as_of < before {
                self.found.push(format!("{kind} {id} went back from {before} to {as_of}"));
            }
        }
    }
}

/// What is no document has none.
fn as_of(text: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(text).ok()?.get("asOf")?.as_u64()
}
