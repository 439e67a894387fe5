//! One run: the load begins, the faults come, everything heals, and then it is judged.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::faults::{Tally, said};
use crate::load::Load;
use crate::poison::Poisoner;
use crate::readers::{Looks, Readers};
use crate::report::Report;
use crate::verdict::Found;
use crate::world::{self, World, lock};
use crate::{faults, simulator, verdict};

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where reports are, and what is kept of a run that found something.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/chaos");

/// Everybody who does something with the system, from the first command to the last.
pub(crate) struct Session {
    world: Arc<World>,
    load: Load,
    readers: Readers,
    poisoning: Arc<AtomicBool>,
    poisoner: tokio::task::JoinHandle<()>,
    poison_taken: Arc<AtomicU64>,
    watching: Arc<AtomicBool>,
    watcher: JoinHandle<()>,
}

/// What the session did.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) looks: Arc<Looks>,
    pub(crate) poison_taken: u64,
}

impl Session {
    pub(crate) fn begin(world: &Arc<World>, seed: u64, runtime: &Runtime) -> Self {
        let load = runtime.block_on(Load::start(&world.parties, seed));
        let _entered = runtime.enter();
        let readers = Readers::start(&world.parties, seed);
        let (poisoning, poison_taken) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let poisoner = Poisoner::new(&world.broker(), seed, Arc::clone(&poison_taken));
        let poisoner = tokio::spawn(poisoner.poison_while(Arc::clone(&poisoning)));
        let watching = Arc::new(AtomicBool::new(true));
        let watcher = watch(world, &watching);
        Self { world: Arc::clone(world), load, readers, poisoning, poisoner, poison_taken, watching, watcher }
    }

    /// Nobody asks for anything any more, and the system has come to rest.
    pub(crate) fn end(self, runtime: &Runtime) -> Done {
        runtime.block_on(self.load.stop());
        self.poisoning.store(false, Ordering::Relaxed);
        runtime.block_on(self.poisoner).expect("the poisoner does not panic");
        verdict::comes_to_rest(&self.world);
        let looks = runtime.block_on(self.readers.stop());
        self.watching.store(false, Ordering::Relaxed);
        self.watcher.join().expect("the watcher does not panic");
        Done { looks, poison_taken: self.poison_taken.load(Ordering::Relaxed) }
    }
}

/// It ends with the world too, if that ends before its time.
fn watch(world: &Arc<World>, watching: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (world, watching) = (Arc::downgrade(world), Arc::clone(watching));
    std::thread::spawn(move || {
        while let Some(world) = world.upgrade().filter(|_| watching.load(Ordering::Relaxed)) {
            let (is_held, pids) = (world.is_held.load(Ordering::SeqCst), world.pids());
            lock(&world.watch).look(&world.database, is_held, pids.into_iter());
            drop(world);
            std::thread::sleep(LOOK_EVERY);
        }
    })
}

/// Whether nothing was found.
pub(crate) fn whole(arguments: &Arguments, runtime: &Runtime) -> bool {
    let (profile, seed) = (arguments.profile.name(), arguments.seed);
    let folder = fresh(&format!("{profile}-{seed}-{}", std::process::id()));
    let _ = std::fs::remove_file(Path::new(FOLDER).join("report.json"));
    println!("chaos: profile {profile}, seed {seed}; building the programs");
    world::build();
    let simulated = simulator::run(arguments.amounts().simulated, seed, &folder);
    let Some(world) = World::start(&folder, runtime.handle().clone(), Vec::new()) else {
        println!("chaos: nothing was shown");
        return false;
    };
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| broken(arguments, &world, runtime)));
    let (tally, found) = ended.unwrap_or_else(|panic| {
        world.journal().violated("harness", format!("the run ended early: {}", said(&*panic)));
        (Tally::default(), Found::default())
    });
    let report = Report::of(arguments, &world, &tally, &found, simulated);
    report.write(Path::new(FOLDER)).expect("the report is written");
    println!("{report}");
    finish(&world, &folder, &report, arguments)
}

fn broken(arguments: &Arguments, world: &Arc<World>, runtime: &Runtime) -> (Tally, Found) {
    let session = Session::begin(world, arguments.seed, runtime);
    let tally = faults::run(world, arguments);
    let done = session.end(runtime);
    (tally, verdict::judge(world, &done))
}

/// What is needed to look at a violation stays; else the folder goes.
fn finish(world: &World, folder: &Path, report: &Report, arguments: &Arguments) -> bool {
    if report.is_green() {
        let _ = std::fs::remove_dir_all(folder);
        return true;
    }
    report.write(folder).expect("written");
    world.journal().write(&folder.join("what-happened.txt")).expect("written");
    let commands: Vec<String> =
        world.parties.memory.commands().iter().map(|command| format!("{command:?}\n")).collect();
    std::fs::write(folder.join("commands.txt"), commands.concat()).expect("written");
    let (profile, seed) = (arguments.profile.name(), arguments.seed);
    let minutes = arguments.minutes.map(|minutes| format!(" --minutes {minutes}")).unwrap_or_default();
    println!("everything about it is in {}", folder.display());
    println!("the same plan again: cargo test --release --test chaos -- --profile {profile} --seed {seed}{minutes}");
    false
}

/// An empty folder for one run.
pub(crate) fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(FOLDER).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder in target/");
    folder
}
