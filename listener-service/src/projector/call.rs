//! What is handed to the scripts.

use redis::ScriptInvocation;
use shared::clock::Timestamp;
use shared::id::{CommandId, ItemId};
use shared::read_model::{OUTCOME_SECONDS, StoredItem, StoredOutcome, row};
use shared::search;

/// An item as `upsert` of `model.lua` takes it.
#[derive(Debug)]
pub(super) struct Item {
    id: String,
    document: String,
    sku: String,
    row: String,
    available: i64,
    updated_at: i64,
}

impl Item {
    pub(super) fn of(item: &StoredItem) -> Self {
        Self {
            id: item.id.to_string(),
            document: json(item),
            sku: item.sku.clone(),
            row: row(item.id, &item.name, &search::terms(&item.sku, &item.name)),
            available: item.quantity() - item.reserved(),
            updated_at: item.touched_at().millis(),
        }
    }

    pub(super) fn write(&self, call: &mut ScriptInvocation<'_>) {
        call.arg(&self.id).arg(&self.document).arg(&self.sku).arg(&self.row);
        call.arg(self.available).arg(self.updated_at);
    }
}

/// What `apply.lua` does at once.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// The state as it was left.
    pub(super) expected: &'a str,
    /// The state after it.
    pub(super) next: &'a str,
    /// Empty to leave them.
    pub(super) superseded: &'a str,
    /// What to tell.
    pub(super) announcement: &'a str,
    /// Items to write.
    pub(super) live: Vec<Item>,
    /// Items to remove.
    pub(super) deleted: &'a [(ItemId, String)],
    /// With the seconds that each is to stay.
    pub(super) outcomes: Vec<(CommandId, String, i64)>,
}

/// Those that are not too old to be kept. `now` is when the journal's last entry was made: the writer's clock may be far
/// from the wall clock.
pub(super) fn lasting(outcomes: &[(CommandId, StoredOutcome)], now: Timestamp) -> Vec<(CommandId, String, i64)> {
    let seconds = i64::try_from(OUTCOME_SECONDS).expect("an hour");
    let lasting = outcomes.iter().filter_map(|(command, outcome)| {
        let age = (now.millis() - outcome.applied_at.millis()).max(0) / 1000;
        (age < seconds).then(|| (*command, json(outcome), seconds - age))
    });
    lasting.collect()
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}
