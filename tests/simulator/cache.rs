//! The simulated cache: a process that loses, delays and forgets, and the way to it.

pub(crate) mod store;

use listener_service::clock::Killed;
use listener_service::projector::call::{Batch, Documents};
use listener_service::projector::link::{Cache, Calls, Failure, Marks, Said};
use redis::{ErrorKind, RedisError};
use shared::read_model::{ENDED, FILLING, RESERVATIONS, SENTINEL, STATE};
use uuid::Uuid;

use crate::log::Shared;
use crate::plant::Plant;
use crate::watch::Watch;
use store::{Apply, Call, Store};

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
