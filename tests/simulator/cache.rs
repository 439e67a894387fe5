//! The simulated cache: what the scripts do to a Redis, in memory and as strict. It loses, delays and forgets.

use std::collections::BTreeMap;

use listener_service::clock::Killed;
use listener_service::projector::call::{Batch, Documents, Reservation};
use listener_service::projector::link::{Cache, Calls, Failure, Marks, Said};
use redis::{ErrorKind, RedisError};
use shared::id::CommandId;
use shared::read_model::{
    BY_FACET, ENDED, FACETS, FILLING, ITEMS, LOW_STOCK, MOST_RESERVED, Order, RESERVATIONS, ROWS, ReservationIndex,
    SENTINEL, SHARED_BEGINNINGS, STATE, STORES, SUMMARY, SUPERSEDED, TERMS,
};
use testkit::read_model;
use uuid::Uuid;

use crate::log::Shared;
use crate::plant::Plant;
use crate::watch::Watch;

/// What becomes of the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    /// It never arrives.
    Lost,
    /// It is done, and nobody is told.
    Unanswered,
    /// Nobody is told, and it is done some time later.
    Late,
    /// Redis says no: it is full.
    Refused,
    /// The process that calls dies, before or after it is done.
    Dies { done: bool },
}

/// A call that changes something, as it travels.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Apply(Box<Apply>),
    Check { expected: String },
    Begin { expected: Marks, filling: String, generation: String },
    Fill { expected: String, next: String, documents: Documents },
    Forget { expected: String, next: String },
    Finish { expected: String, state: String, superseded: String, summary: String },
}

#[derive(Debug, Clone)]
pub(crate) struct Apply {
    expected: String,
    next: String,
    superseded: String,
    summary: String,
    documents: Documents,
    deleted: Vec<(String, String)>,
    dropped: Vec<Reservation>,
    outcomes: Vec<(CommandId, String)>,
}

/// What is in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    hashes: BTreeMap<&'static str, BTreeMap<String, String>>,
    sets: BTreeMap<&'static str, BTreeMap<String, i64>>,
    pub(crate) outcomes: BTreeMap<CommandId, String>,
}

/// The process.
pub(crate) struct Redis {
    pub(crate) store: Store,
    pub(crate) dump: Store,
    pub(crate) run: usize,
    pub(crate) evicted: u64,
    pub(crate) is_down: bool,
    pub(crate) slip: Option<Slip>,
    pub(crate) late: Vec<Call>,
    pub(crate) plant: Option<Plant>,
    pub(crate) watch: Watch,
    /// How many calls were refused because somebody else had written.
    pub(crate) guarded: usize,
}

fn marked_sets() -> Vec<&'static str> {
    let lists = ReservationIndex::ALL.iter().map(|index| index.key());
    [TERMS, SHARED_BEGINNINGS, BY_FACET, LOW_STOCK, MOST_RESERVED].into_iter().chain(lists).chain([ENDED]).collect()
}

const ALL_RESERVATIONS: &str = ReservationIndex::All.key();

impl Store {
    fn field(&self, name: &str) -> Option<String> {
        self.hashes.get(ITEMS)?.get(name).cloned()
    }

    fn hash(&mut self, key: &'static str) -> &mut BTreeMap<String, String> {
        self.hashes.entry(key).or_default()
    }

    fn set(&mut self, key: &'static str) -> &mut BTreeMap<String, i64> {
        self.sets.entry(key).or_default()
    }

    fn fields_of(&self, key: &str) -> usize {
        self.hashes.get(key).map_or(0, BTreeMap::len)
    }

    fn members_of(&self, key: &str) -> usize {
        self.sets.get(key).map_or(0, BTreeMap::len)
    }

    /// As `incomplete` of `model.lua`.
    fn incomplete(&self, beside: usize) -> Option<&'static str> {
        let items = self.fields_of(ITEMS).checked_sub(beside);
        if let Some(key) = [ROWS, FACETS].into_iter().find(|key| Some(self.fields_of(key)) != items) {
            return Some(key);
        }
        if let Some(order) = Order::ALL.into_iter().find(|order| Some(self.members_of(order.key())) != items) {
            return Some(order.key());
        }
        let unmarked = |key: &&str| !self.sets.get(*key).is_some_and(|set| set.contains_key(SENTINEL));
        if let Some(key) = marked_sets().into_iter().find(unmarked) {
            return Some(key);
        }
        let unmarked = |key: &&str| !self.hashes.get(*key).is_some_and(|hash| hash.contains_key(SENTINEL));
        if let Some(key) = [RESERVATIONS, STORES].into_iter().find(unmarked) {
            return Some(key);
        }
        (self.fields_of(RESERVATIONS) != self.members_of(ALL_RESERVATIONS)).then_some(RESERVATIONS)
    }

    fn upsert(&mut self, documents: &Documents, plant: Option<Plant>) {
        for item in &documents.items {
            let older = self.hash(ITEMS).get(&item.id).filter(|_| plant == Some(Plant::OlderDocument)).cloned();
            self.hash(ITEMS).insert(item.id.clone(), older.unwrap_or(item.document.clone()));
            self.hash(ROWS).insert(item.sku.clone(), item.row.clone());
            self.hash(FACETS).insert(item.sku.clone(), item.facets.clone());
            for order in Order::ALL {
                self.set(order.key()).insert(item.sku.clone(), 0);
            }
        }
        for reservation in &documents.reservations {
            self.hash(RESERVATIONS).insert(reservation.id.clone(), reservation.document.clone());
            self.set(ALL_RESERVATIONS).insert(reservation.id.clone(), 0);
            if let Some(at) = reservation.ended_at {
                self.set(ENDED).insert(reservation.id.clone(), at);
            }
        }
        for (id, document) in &documents.stores {
            self.hash(STORES).insert(id.clone(), document.clone());
        }
    }

    fn remove(&mut self, deleted: &[(String, String)], dropped: &[Reservation]) {
        for (id, sku) in deleted {
            self.hash(ITEMS).remove(id);
            self.hash(ROWS).remove(sku);
            self.hash(FACETS).remove(sku);
            for order in Order::ALL {
                self.set(order.key()).remove(sku);
            }
        }
        for reservation in dropped {
            self.hash(RESERVATIONS).remove(&reservation.id);
            self.set(ALL_RESERVATIONS).remove(&reservation.id);
            self.set(ENDED).remove(&reservation.id);
        }
    }

    fn apply(&mut self, batch: &Apply, plant: Option<Plant>) -> Said {
        if let Err(said) = self.expect(STATE, &batch.expected, plant) {
            return said;
        }
        if let Some(key) = self.incomplete(3) {
            return Said::Incomplete(key.to_owned());
        }
        let fields = [(STATE, &batch.next), (SUPERSEDED, &batch.superseded), (SUMMARY, &batch.summary)];
        for (field, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            self.hash(ITEMS).insert(field.to_owned(), text.clone());
        }
        self.upsert(&batch.documents, plant);
        self.remove(&batch.deleted, &batch.dropped);
        self.outcomes.extend(batch.outcomes.iter().cloned());
        Said::Done(String::new())
    }

    fn expect(&self, field: &str, expected: &str, plant: Option<Plant>) -> Result<(), Said> {
        let found = self.field(field);
        let is_there = found.as_deref() == Some(expected) || (plant == Some(Plant::UnguardedCache) && found.is_some());
        if is_there { Ok(()) } else { Err(Said::Changed(found.unwrap_or_default())) }
    }

    fn begin(&mut self, expected: &Marks, filling: &str, generation: &str) -> Said {
        let found = Marks { state: self.field(STATE), filling: self.field(FILLING) };
        if found != *expected {
            return Said::Changed(found.state.or(found.filling).unwrap_or_default());
        }
        self.hashes.clear();
        self.sets.clear();
        self.hash(ITEMS).insert(FILLING.to_owned(), filling.to_owned());
        for key in marked_sets() {
            self.set(key).insert(SENTINEL.to_owned(), 0);
        }
        for key in [RESERVATIONS, STORES] {
            self.hash(key).insert(SENTINEL.to_owned(), generation.to_owned());
        }
        Said::Done(String::new())
    }

    fn forget(&mut self) -> Said {
        let some: Vec<CommandId> = self.outcomes.keys().take(5).copied().collect();
        self.outcomes.retain(|command, _| !some.contains(command));
        Said::Done(if self.outcomes.is_empty() { "0" } else { "1" }.to_owned())
    }

    fn run(&mut self, call: &Call, plant: Option<Plant>) -> Said {
        let expecting = |store: &Self, field: &str, expected: &str| store.expect(field, expected, plant).err();
        match call {
            Call::Apply(batch) => self.apply(batch, plant),
            Call::Check { expected } => expecting(self, STATE, expected).unwrap_or_else(|| match self.incomplete(3) {
                Some(key) => Said::Incomplete(key.to_owned()),
                None => Said::Done((self.members_of(ENDED) - 1).to_string()),
            }),
            Call::Begin { expected, filling, generation } => self.begin(expected, filling, generation),
            Call::Fill { expected, next, documents } => expecting(self, FILLING, expected).unwrap_or_else(|| {
                self.hash(ITEMS).insert(FILLING.to_owned(), next.clone());
                self.upsert(documents, plant);
                Said::Done(String::new())
            }),
            Call::Forget { expected, next } => expecting(self, FILLING, expected).unwrap_or_else(|| {
                self.hash(ITEMS).insert(FILLING.to_owned(), next.clone());
                self.forget()
            }),
            Call::Finish { expected, state, superseded, summary } => {
                expecting(self, FILLING, expected).unwrap_or_else(|| {
                    if let Some(key) = self.incomplete(1) {
                        return Said::Incomplete(key.to_owned());
                    }
                    for (field, text) in [(STATE, state), (SUPERSEDED, superseded), (SUMMARY, summary)] {
                        self.hash(ITEMS).insert(field.to_owned(), text.clone());
                    }
                    self.hash(ITEMS).remove(FILLING);
                    Said::Done(String::new())
                })
            }
        }
    }

    /// Evicted, or deleted by somebody; `nth` says which. `false` if there is nothing.
    pub(crate) fn lose_key(&mut self, nth: usize) -> bool {
        let keys: Vec<&'static str> = self.hashes.keys().chain(self.sets.keys()).copied().collect();
        let Some(key) = keys.get(nth % keys.len().max(1)) else { return false };
        self.hashes.remove(key);
        self.sets.remove(key);
        true
    }

    pub(crate) fn documents(&self) -> read_model::Documents {
        let hash = |key: &str| self.hashes.get(key).cloned().unwrap_or_default();
        read_model::Documents {
            items: hash(ITEMS),
            rows: hash(ROWS),
            facets: hash(FACETS),
            reservations: hash(RESERVATIONS),
            stores: hash(STORES),
            outcomes: self.outcomes.clone(),
        }
    }
}

impl Redis {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        Self {
            store: Store::default(),
            dump: Store::default(),
            run: 1,
            evicted: 0,
            is_down: false,
            slip: None,
            late: Vec::new(),
            plant,
            watch: Watch::default(),
            guarded: 0,
        }
    }

    pub(crate) fn perform(&mut self, call: &Call) -> Said {
        let said = self.store.run(call, self.plant);
        self.guarded += usize::from(matches!(said, Said::Changed(_)));
        if matches!(said, Said::Done(_)) {
            self.watch.look(self.run, &self.store.documents());
        }
        said
    }

    /// Another process, with what it has of before.
    pub(crate) fn restart(&mut self, with: Store) {
        self.run += 1;
        self.evicted = 0;
        self.store = with;
    }
}

/// The way to it.
#[derive(Clone)]
pub(crate) struct Address(pub(crate) Shared<Redis>);

pub(crate) struct Link {
    redis: Shared<Redis>,
    run: String,
}

fn failure(text: &'static str) -> RedisError {
    (ErrorKind::Client, text).into()
}

impl Cache for Address {
    type Link = Link;

    fn open(&self) -> Result<Link, Failure> {
        let redis = self.0.borrow();
        if redis.is_down {
            return Err(Failure::Unclear(failure("down")));
        }
        Ok(Link { run: redis.run.to_string(), redis: std::rc::Rc::clone(&self.0) })
    }
}

impl Link {
    /// A connection ends with the process.
    fn reach(&self) -> Result<std::cell::RefMut<'_, Redis>, Failure> {
        let redis = self.redis.borrow_mut();
        let is_there = !redis.is_down && redis.run.to_string() == self.run;
        if is_there { Ok(redis) } else { Err(Failure::Unclear(failure("the connection broke"))) }
    }

    fn ask(&self, call: Call) -> Result<Said, Failure> {
        let mut redis = self.reach()?;
        let unclear = || Err(Failure::Unclear(failure("no answer")));
        // What matters is what becomes of a call that changes something: most only look.
        let is_look = matches!(call, Call::Check { .. });
        let slip = redis.slip.take_if(|slip| !is_look || matches!(slip, Slip::Lost | Slip::Refused));
        match slip {
            None => Ok(redis.perform(&call)),
            Some(Slip::Lost) => unclear(),
            Some(Slip::Unanswered) => {
                redis.perform(&call);
                unclear()
            }
            Some(Slip::Late) => {
                redis.late.push(call);
                unclear()
            }
            Some(Slip::Refused) => Err(Failure::Refused(failure("full"))),
            Some(Slip::Dies { done }) => {
                if done {
                    redis.perform(&call);
                }
                drop(redis);
                std::panic::resume_unwind(Box::new(Killed));
            }
        }
    }
}

impl Calls for Link {
    fn run(&self) -> &str {
        &self.run
    }

    fn marks(&mut self) -> Result<Marks, Failure> {
        let redis = self.reach()?;
        Ok(Marks { state: redis.store.field(STATE), filling: redis.store.field(FILLING) })
    }

    fn evicted(&mut self) -> Result<u64, Failure> {
        Ok(self.reach()?.evicted)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Said, Failure> {
        self.ask(Call::Apply(Box::new(Apply {
            expected: batch.expected.to_owned(),
            next: batch.next.to_owned(),
            superseded: batch.superseded.to_owned(),
            summary: batch.summary.to_owned(),
            documents: batch.documents.clone(),
            deleted: batch.deleted.iter().map(|(id, sku)| (id.to_string(), sku.clone())).collect(),
            dropped: batch.dropped.clone(),
            outcomes: batch.outcomes.iter().map(|(command, text, _)| (*command, text.clone())).collect(),
        })))
    }

    fn ended_first(&mut self, count: usize) -> Result<Vec<Option<String>>, Failure> {
        let redis = self.reach()?;
        let mut ended: Vec<(i64, String)> = redis.store.sets.get(ENDED).map_or_else(Vec::new, |set| {
            set.iter().filter(|(id, _)| *id != SENTINEL).map(|(id, at)| (*at, id.clone())).collect()
        });
        ended.sort();
        let document = |(_, id): (i64, String)| redis.store.hashes.get(RESERVATIONS)?.get(&id).cloned();
        Ok(ended.into_iter().take(count).map(document).collect())
    }

    fn check(&mut self, expected: &str, _: &str) -> Result<Said, Failure> {
        self.ask(Call::Check { expected: expected.to_owned() })
    }

    fn begin(&mut self, expected: &Marks, filling: &str, generation: Uuid) -> Result<Said, Failure> {
        let (expected, generation) = (expected.clone(), generation.to_string());
        self.ask(Call::Begin { expected, filling: filling.to_owned(), generation })
    }

    fn fill(&mut self, expected: &str, next: &str, documents: &Documents) -> Result<Said, Failure> {
        let (expected, next) = (expected.to_owned(), next.to_owned());
        self.ask(Call::Fill { expected, next, documents: documents.clone() })
    }

    fn forget(&mut self, expected: &str, next: &str, _: &str) -> Result<Said, Failure> {
        self.ask(Call::Forget { expected: expected.to_owned(), next: next.to_owned() })
    }

    fn finish(&mut self, expected: &str, state: &str, beside: [&str; 2], _: &str) -> Result<Said, Failure> {
        let [superseded, summary] = beside.map(str::to_owned);
        self.ask(Call::Finish { expected: expected.to_owned(), state: state.to_owned(), superseded, summary })
    }
}
