//! A writer, a Redis, and a projector between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listener_service::clock::TimeSource;
use listener_service::projector::{Parts, Projector, Step};
use listener_service::status::Status;
use shared::http::health::Readiness;
use shared::id::ItemId;
use shared::lifecycle::Shutdown;
use shared::message::{CatalogueFields, Command, RequestEnvelope};
use shared::quantity::Quantity;
use shared::read_model::{ITEMS, STATE, State};
use shared::settings::RedisAddress;
use shared::text::{Name, Sku};
use testkit::read_model::assert_model_equals_database;
use testkit::redis_server::RedisServer;

use crate::bench::{Bench, item, request};

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What the issue asks for: a loss is noticed in this time.
pub(crate) const NOTICED: Duration = Duration::from_millis(500);

pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) redis: RedisServer,
    pub(crate) projector: Projector,
    pub(crate) status: Arc<Status>,
    readiness: Readiness,
    pub(crate) shutdown: Shutdown,
    /// Its threads wait there.
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl World {
    /// `None` without a Redis on this machine, which was said.
    pub(crate) fn new(test: &str, options: &[&str]) -> Option<Self> {
        let redis = RedisServer::start(test, options)?;
        Some(Self::of(Bench::new(), redis))
    }

    fn of(bench: Bench, redis: RedisServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let readiness = Readiness::new("test", &[]);
        let (status, shutdown) = (Arc::new(Status::new(readiness.clone())), Shutdown::new());
        let projector = Projector::new(parts(&bench, redis.address(), &status, &shutdown, &runtime));
        Self { bench, redis, projector, status, readiness, shutdown, runtime }
    }

    /// Another projector on the same data, under the lease as it is now.
    pub(crate) fn another(&self) -> Projector {
        self.another_at(self.redis.address())
    }

    /// The same, by another way to Redis.
    pub(crate) fn another_at(&self, address: RedisAddress) -> Projector {
        Projector::new(parts(&self.bench, address, &self.status, &self.shutdown, &self.runtime))
    }

    /// As if the listener had been started again.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same, with something done to the folder of the database in between.
    pub(crate) fn restart_after(self, between: impl FnOnce(&Path)) -> Self {
        let Self { bench, redis, projector, .. } = self;
        drop(projector);
        Self::of(bench.restart_after(between), redis)
    }

    /// Runs it on a thread of its own until [`Self::stop`].
    pub(crate) fn run(&self) -> JoinHandle<()> {
        let projector = self.another();
        std::thread::spawn(move || projector.run())
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(&self, running: JoinHandle<()>) {
        let _inside = self.runtime.enter();
        self.shutdown.begin(SOON);
        running.join().expect("no panic");
    }

    /// Applies one command, which must be accepted.
    pub(crate) fn apply(&mut self, request: &RequestEnvelope) {
        assert_eq!(self.bench.outcome(request), "applied", "{}", request.event_type);
        self.tell();
    }

    /// Applies many in one transaction.
    pub(crate) fn apply_all(&mut self, requests: &[RequestEnvelope]) {
        for chunk in requests.chunks(1000) {
            let records: Vec<_> = chunk.iter().map(|request| self.bench.message(request)).collect();
            self.bench.apply(&records).expect("applied");
        }
        self.tell();
    }

    /// As the writer's thread does after a commit.
    fn tell(&self) {
        self.status.begun(self.bench.writer.sequence(), self.bench.writer.log().next_offset);
    }

    /// Steps until nothing is left to do.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        settle(&mut self.projector);
    }

    /// Steps until nothing is left to do, and compares everything.
    #[track_caller]
    pub(crate) fn settle_and_compare(&mut self) -> State {
        self.settle();
        self.compare()
    }

    #[track_caller]
    pub(crate) fn compare(&self) -> State {
        assert_model_equals_database(&self.bench.path(), &self.redis.address(), SOON)
    }

    /// The state, while there is one.
    pub(crate) fn state(&self) -> Option<State> {
        let text: Option<String> = self.redis.command(&["HGET", ITEMS, STATE]);
        text.map(|text| serde_json::from_str(&text).expect("a state"))
    }

    /// Everything in Redis, as it stores it.
    pub(crate) fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let keys: Vec<String> = self.redis.command(&["KEYS", "*"]);
        keys.into_iter().map(|key| (key.clone(), self.redis.command(&["DUMP", &key]))).collect()
    }

    /// Steps until the model is another one than `before`, whole and caught up, and compares everything.
    #[track_caller]
    pub(crate) fn settle_anew(&mut self, before: &State) -> State {
        let deadline = Instant::now() + SOON;
        while self.state().is_none_or(|state| state.generation == before.generation) {
            let step = self.projector.step();
            assert!(Instant::now() < deadline, "still the same; the last step: {step:?}");
        }
        self.settle_and_compare()
    }

    /// What `/health/ready` says of Redis.
    pub(crate) fn health(&self) -> String {
        format!("{:?}", self.readiness)
    }
}

fn parts(
    bench: &Bench,
    redis: RedisAddress,
    status: &Arc<Status>,
    shutdown: &Shutdown,
    runtime: &tokio::runtime::Runtime,
) -> Parts {
    let epoch = bench.writer.connection().query_row("SELECT epoch FROM lease", [], |row| row.get(0)).expect("a lease");
    Parts {
        path: bench.path(),
        redis,
        epoch,
        status: Arc::clone(status),
        runtime: runtime.handle().clone(),
        shutdown: shutdown.clone(),
        time: TimeSource::Machine,
    }
}

#[track_caller]
pub(crate) fn settle(projector: &mut Projector) {
    let deadline = Instant::now() + SOON;
    let mut steps = Vec::new();
    loop {
        match projector.step() {
            Step::Idle => return,
            Step::Fenced => panic!("fenced"),
            step @ (Step::Progressed | Step::Blocked) => {
                steps.push(step);
                assert!(Instant::now() < deadline, "not settled; the last steps: {:?}", steps.last_chunk::<5>());
                if step == Step::Blocked {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

pub(crate) fn create(sku: &str, name: &str, quantity: i64) -> RequestEnvelope {
    let command = Command::CreateItem {
        sku: Sku::parse(sku).expect("a SKU"),
        fields: CatalogueFields::named(Name::parse(name).expect("a name")),
        quantity: Quantity::parse(quantity).expect("a quantity"),
    };
    request(item(sku), command)
}

pub(crate) fn delete(id: ItemId) -> RequestEnvelope {
    request(id, Command::DeleteItem {})
}

/// `count` items with names of several words.
pub(crate) fn catalogue(count: usize) -> Vec<RequestEnvelope> {
    let words = ["Cable", "cable reel", "Über", "USB-C", "2 m", "red", "Äpfel"];
    let name = |n: usize| format!("{} {} no. {n}", words[n % 7], words[n / 7 % 7]);
    (0..count).map(|n| create(&format!("SKU-{n:06}"), &name(n), 5)).collect()
}
