//! The faults: lanes that run side by side, each with a list of its own, drawn from the seed.

mod clock;
mod listener;
mod outside;
mod services;
mod snapshot;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::arguments::{Amounts, Arguments};
use crate::world::{World, lock};

/// How often one that did not happen is tried again.
const TRIES: u32 = 5;

/// How many faults came, and how long it took to get over them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) recoveries: Vec<Duration>,
}

/// What all lanes share.
#[derive(Clone)]
struct Stage {
    world: Arc<World>,
    tally: Arc<Mutex<Tally>>,
    bar: ProgressBar,
    /// Faults go on until then.
    until: Instant,
}

/// One kind of fault after another.
trait Lane: Send + 'static {
    /// What it does.
    type Fault: Clone + Debug + Send;

    /// Each as often as it is to come at least.
    fn plan(amounts: &Amounts) -> Vec<Self::Fault>;

    /// Does one, waits until it is over, and counts it; `false` if it did not happen, which is no fault of anybody.
    fn act(&mut self, stage: &Stage, fault: &Self::Fault, rng: &mut fastrand::Rng) -> bool;
}

/// Does all faults, and waits until the last is over.
pub(crate) fn run(world: &Arc<World>, arguments: &Arguments) -> Tally {
    let amounts = arguments.amounts();
    let bar = crate::progress::bar(0);
    let until = Instant::now() + arguments.at_least();
    let stage = Stage { world: Arc::clone(world), tally: Arc::default(), bar, until };
    let lanes = [
        lane(&stage, &amounts, arguments.seed ^ 0x11, listener::Listeners::new(world)),
        lane(&stage, &amounts, arguments.seed ^ 0x22, services::Services),
        lane(&stage, &amounts, arguments.seed ^ 0x33, outside::Parts),
        lane(&stage, &amounts, arguments.seed ^ 0x44, snapshot::Snapshots),
    ];
    for lane in lanes {
        if let Err(panic) = lane.join() {
            world.journal().violated("harness", format!("a lane of faults ended early: {}", said(&*panic)));
        }
    }
    world.heal();
    stage.bar.finish_and_clear();
    lock(&stage.tally).clone()
}

/// What a panic says.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

/// Its plan in a random order; then, while there is time, more of the same.
fn lane<L: Lane>(stage: &Stage, amounts: &Amounts, seed: u64, mut lane: L) -> JoinHandle<()> {
    let (stage, mut rng) = (stage.clone(), fastrand::Rng::with_seed(seed));
    let mut plan = L::plan(amounts);
    rng.shuffle(&mut plan);
    stage.bar.inc_length(u64::try_from(plan.len()).unwrap_or(u64::MAX));
    std::thread::spawn(move || {
        for fault in &plan {
            if !(0..TRIES).any(|_| lane.act(&stage, fault, &mut rng)) {
                stage.world.journal().violated("harness", format!("one that was to come never did: {fault:?}"));
            }
            stage.bar.inc(1);
        }
        while Instant::now() < stage.until && !plan.is_empty() {
            let fault = plan[rng.usize(..plan.len())].clone();
            lane.act(&stage, &fault, &mut rng);
            stage.bar.inc_length(1);
            stage.bar.inc(1);
        }
    })
}

impl Stage {
    /// It came.
    fn count(&self, kind: &str) {
        *lock(&self.tally).faults.entry(kind.to_owned()).or_default() += 1;
    }

    fn note(&self, what: &str) {
        self.world.journal().note(what);
        self.bar.set_message(what.to_owned());
    }

    /// Waits until a service says itself that this is down: whoever is cut off must not claim to be well.
    fn turns_red(&self, base: &str, dependency: &str, because: &str) {
        const WITHIN: Duration = Duration::from_secs(20);
        let began = Instant::now();
        while !self.says_down(base, dependency) {
            if began.elapsed() > WITHIN {
                let seen = format!("{base} does not say that the {dependency} is down {WITHIN:?} after {because}");
                self.world.journal().violated("readiness", seen);
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn says_down(&self, base: &str, dependency: &str) -> bool {
        let answer = crate::verdict::get(&self.world, &format!("{base}/health/ready"), None);
        answer.is_some_and(|(status, body)| status == 503 && body["dependencies"][dependency]["status"] != "up")
    }
}

fn times<T: Clone>(count: u32, fault: T) -> impl Iterator<Item = T> {
    std::iter::repeat_n(fault, usize::try_from(count).expect("fits"))
}

/// Waits for a random time.
fn pause(rng: &mut fastrand::Rng, millis: std::ops::Range<u64>) {
    std::thread::sleep(Duration::from_millis(rng.u64(millis)));
}
