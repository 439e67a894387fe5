//! Readers: they hold every process to what it told before, and every process to the tokens that they bring.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::load::{Level, Parties, hot_level};
use crate::world::client;

const READERS: u64 = 6;
const PAUSE: Duration = Duration::from_millis(15);

/// What each process has told, in its present life: by a level, or by the outcome of a change of it. Shared by all who
/// are told.
#[derive(Debug, Default)]
pub(crate) struct Floors {
    told: Mutex<HashMap<(usize, u64, Level), u64>>,
}

/// How many answers told a version, and so were held to what is known.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub(crate) without_token: AtomicU64,
    pub(crate) with_token: AtomicU64,
}

/// Under way.
pub(crate) struct Readers {
    reading: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
    looks: Arc<Looks>,
}

struct Reader {
    parties: Parties,
    http: reqwest::Client,
    rng: fastrand::Rng,
    looks: Arc<Looks>,
}

impl Readers {
    pub(crate) fn start(parties: &Parties, seed: u64) -> Self {
        let (reading, looks) = (Arc::new(AtomicBool::new(true)), Arc::<Looks>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..READERS {
            let reader = Reader {
                parties: parties.clone(),
                http: client(),
                rng: fastrand::Rng::with_seed(seed ^ (0x0EAD_0000 + number)),
                looks: Arc::clone(&looks),
            };
            tasks.spawn(reader.read_while(Arc::clone(&reading)));
        }
        Self { reading, tasks, looks }
    }

    pub(crate) async fn stop(mut self) -> Arc<Looks> {
        self.reading.store(false, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a reader does not panic");
        }
        self.looks
    }
}

impl Reader {
    async fn read_while(mut self, reading: Arc<AtomicBool>) {
        while reading.load(Ordering::Relaxed) {
            if self.rng.bool() {
                self.with_a_token().await;
            } else {
                self.without().await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What a process has told of a key, it does not take back.
    async fn without(&mut self) {
        let level = hot_level(&mut self.rng);
        self.read(&level, None).await;
    }

    /// Whoever brings a token sees what it stands for, on whichever process.
    async fn with_a_token(&mut self) {
        let Some(settled) = self.parties.memory.recent(&mut self.rng) else { return };
        let Some((place, version)) = self.read(&settled.level, Some(&settled.token)).await else { return };
        if version < settled.version {
            let name = &self.parties.queries[place].name;
            let seen = format!("{name} told version {version} with the token of {settled:?}");
            self.parties.journal.violated("staleReads", seen);
        }
    }

    /// Which process, and what version it told; `None` if it told none.
    async fn read(&mut self, level: &Level, token: Option<&str>) -> Option<(usize, u64)> {
        let place = self.rng.usize(..self.parties.queries.len());
        let version = look(&self.http, &self.parties, place, level, token).await?;
        let looks = if token.is_some() { &self.looks.with_token } else { &self.looks.without_token };
        looks.fetch_add(1, Ordering::Relaxed);
        Some((place, version))
    }
}

/// The version of a level, as one process tells it, which it is held to from then on. `None` if there is no such item now,
/// or no answer, or one that says that nothing can be told.
pub(crate) async fn look(
    http: &reqwest::Client,
    parties: &Parties,
    place: usize,
    level: &Level,
    token: Option<&str>,
) -> Option<u64> {
    let service = &parties.queries[place];
    let life = service.life();
    let floor = parties.floors.of(place, life, level);
    let Level { sku, store } = level;
    let mut call = http.get(format!("{}/api/v1/inventory/items/sku/{sku}/stock?storeId={store}", service.base));
    if let Some(token) = token {
        call = call.header("X-Consistency-Token", token);
    }
    let answer = call.send().await.ok()?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.ok()?;
    // An answer of a process that has been killed meanwhile may be of either life.
    if service.life() != life || matches!(status, 404 | 503) {
        return None;
    }
    let Some(version) = body["version"].as_u64().filter(|_| status == 200) else {
        parties.journal.violated("contract", format!("{} tells {status} {body} of {level:?}", service.name));
        return None;
    };
    if version < floor {
        let seen = format!("{} told version {version} of {level:?} after {floor}", service.name);
        parties.journal.violated("backwardReads", seen);
    }
    parties.floors.raise(place, life, level, version);
    Some(version)
}

impl Floors {
    fn of(&self, place: usize, life: u64, level: &Level) -> u64 {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&(place, life, level.clone())).copied().unwrap_or(0)
    }

    pub(crate) fn raise(&self, place: usize, life: u64, level: &Level, version: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = told.entry((place, life, level.clone())).or_default();
        *floor = version.max(*floor);
    }
}
