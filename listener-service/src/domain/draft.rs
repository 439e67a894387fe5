//! The facts of one decision as they come to be, and the levels as they are after them.
//!
//! A decision may move a level more than once; what it tells last are the edges that the level crossed from before the
//! command to after it, each once.

use shared::id::ItemId;
use shared::message::{Fact, LevelAfter};
use shared::text::{Sku, StoreId};

use super::{Aggregate, Level, Situation};

/// A fact, and the version of its aggregate after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub fact: Fact,
    /// Of the aggregate, or of the level for a fact that tells one.
    pub version: u64,
}

/// One item at one store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) item_id: ItemId,
    pub(super) sku: &'a Sku,
    pub(super) store: &'a StoreId,
}

/// How many units come and go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delta {
    pub(super) quantity: i64,
    pub(super) reserved: i64,
}

/// A level, and the threshold at or below which it is low.
#[derive(Debug, Clone, Copy)]
struct Watched {
    level: Level,
    threshold: Option<i64>,
}

#[derive(Debug)]
struct Touched<'a> {
    place: Place<'a>,
    before: Watched,
    after: Watched,
}

#[derive(Debug)]
pub(super) struct Draft<'a> {
    situation: &'a Situation<'a>,
    touched: Vec<Touched<'a>>,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(situation: &'a Situation<'a>) -> Self {
        Self { situation, touched: Vec::new(), changes: Vec::new() }
    }

    /// The level as it is after the facts so far.
    pub(super) fn level(&mut self, place: Place<'a>) -> Level {
        self.touch(place).after.level
    }

    /// One step of a level; `tell` makes the fact of the level after it.
    pub(super) fn step(&mut self, place: Place<'a>, delta: Delta, tell: impl FnOnce(LevelAfter) -> Fact) {
        let level = &mut self.touch(place).after.level;
        level.quantity += delta.quantity;
        level.reserved += delta.reserved;
        level.version += 1;
        let (after, version) = (place.told(*level), level.version);
        self.changes.push(Change { fact: tell(after), version });
    }

    /// A fact that tells the level and is no step of it.
    pub(super) fn remark(&mut self, place: Place<'a>, tell: impl FnOnce(LevelAfter) -> Fact) {
        let level = self.level(place);
        self.changes.push(Change { fact: tell(place.told(level)), version: level.version });
    }

    /// A fact about something else than a level.
    pub(super) fn note(&mut self, fact: Fact, version: u64) {
        self.changes.push(Change { fact, version });
    }

    /// From now on this threshold applies to the level.
    pub(super) fn set_threshold(&mut self, place: Place<'a>, threshold: Option<i64>) {
        self.touch(place).after.threshold = threshold;
    }

    /// All facts, without edges: the item itself has come or gone.
    pub(super) fn without_edges(self) -> Vec<Change> {
        self.changes
    }

    /// All facts, and the edges that were crossed.
    pub(super) fn finish(mut self) -> Vec<Change> {
        for Touched { place, before, after } in &self.touched {
            self.changes.extend(edges(*place, *before, *after));
        }
        self.changes
    }

    fn touch(&mut self, place: Place<'a>) -> &mut Touched<'a> {
        let known = self
            .touched
            .iter()
            .position(|touched| (touched.place.item_id, touched.place.store) == (place.item_id, place.store));
        let index = known.unwrap_or_else(|| {
            let aggregate = self.situation.item(place.item_id);
            let level = aggregate.map(|aggregate| aggregate.level(place.store)).unwrap_or_default();
            let threshold = aggregate.and_then(|aggregate: &Aggregate| aggregate.threshold(level));
            let watched = Watched { level, threshold };
            self.touched.push(Touched { place, before: watched, after: watched });
            self.touched.len() - 1
        });
        &mut self.touched[index]
    }
}

impl Place<'_> {
    fn told(self, level: Level) -> LevelAfter {
        LevelAfter {
            item_id: self.item_id,
            sku: self.sku.clone(),
            store_id: self.store.clone(),
            total_quantity: level.quantity,
            reserved_total: level.reserved,
            available_quantity: level.available(),
        }
    }
}

impl Watched {
    fn is_low(self) -> bool {
        self.threshold.is_some_and(|threshold| self.level.available() <= threshold)
    }
}

/// A level that comes to be has crossed nothing.
fn edges(place: Place<'_>, before: Watched, after: Watched) -> Vec<Change> {
    let mut edges = Vec::new();
    if before.level.version == 0 {
        return edges;
    }
    let level = place.told(after.level);
    let mut tell = |fact| edges.push(Change { fact, version: after.level.version });
    match (before.level.available(), after.level.available()) {
        (1.., 0) => tell(Fact::StockDepleted { level: level.clone() }),
        (0, 1..) => tell(Fact::StockReplenished { level: level.clone() }),
        _ => {}
    }
    if let Some(threshold) = after.threshold.filter(|_| after.is_low() && !before.is_low()) {
        tell(Fact::LowStock { level, threshold });
    }
    edges
}
