//! Faults that are planted in the system on purpose: a checker that does not find one proves nothing when it is green.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::run::{Session, fresh};
use crate::verdict;
use crate::world::{self, World, lock};

/// What the listener of the breakable build does wrong: docs/adr/0014.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Each of the others.
    All,
    /// A fact is never published.
    DropEvent,
    /// A command has no effect, though the position moves on.
    DropCommand,
    /// A command takes effect twice.
    ApplyTwice,
    /// The stored position is not looked at.
    SkipPosition,
    /// A document in Redis is older than the journal says.
    OlderDocument,
    /// A dead letter is published a second time under another id.
    DeadLetterTwice,
}

/// How long the load goes on before the listener is killed, and after.
const UNDER_LOAD: Duration = Duration::from_secs(4);

/// Whether each was found, by the checker that is there for it.
pub(crate) fn run(faults: &[Fault], arguments: &Arguments, runtime: &Runtime) -> bool {
    world::build();
    let all = Fault::value_variants().iter().filter(|fault| **fault != Fault::All);
    let faults: Vec<Fault> = if faults.contains(&Fault::All) { all.copied().collect() } else { faults.to_vec() };
    let found = faults.iter().map(|fault| is_found(*fault, arguments.seed, runtime));
    // Each is tried, whatever came of the one before.
    found.collect::<Vec<_>>().into_iter().all(|is_found| is_found)
}

fn is_found(fault: Fault, seed: u64, runtime: &Runtime) -> bool {
    let name = fault.to_possible_value().expect("none is hidden").get_name().to_owned();
    let folder = fresh(&format!("planted-{name}"));
    let planted = vec![("PLANT", name.clone())];
    let Some(world) = World::start(&folder, runtime.handle().clone(), planted) else {
        println!("planted {name}: nothing was shown");
        return false;
    };
    let session = Session::begin(&world, seed, runtime);
    std::thread::sleep(UNDER_LOAD);
    // Who starts again is at fault where the position is not looked at.
    for listener in std::mem::take(&mut *lock(&world.listeners)) {
        world.publishers_ended.fetch_add(1, Ordering::SeqCst);
        listener.process.kill();
    }
    std::thread::sleep(UNDER_LOAD / 4);
    lock(&world.listeners).push(world.listener(true, &[]));
    std::thread::sleep(UNDER_LOAD);
    let done = session.end(runtime);
    verdict::judge(&world, &done);
    let violations = world.journal().violations();
    let by_its_checker = violations.iter().filter(|one| fault.is_found_as().contains(&one.of)).count();
    let of: BTreeMap<&str, usize> = violations.iter().fold(BTreeMap::new(), |mut of, one| {
        *of.entry(one.of).or_default() += 1;
        of
    });
    world.journal().write(&folder.join("what-happened.txt")).expect("written");
    let verdict = if by_its_checker > 0 { "found" } else { "NOT FOUND" };
    println!("planted {name}: {verdict}; violations {of:?}");
    by_its_checker > 0
}

impl Fault {
    /// Which violations are of it; others may follow from it.
    fn is_found_as(self) -> &'static [&'static str] {
        match self {
            Self::All => &[],
            Self::DropEvent | Self::DropCommand | Self::SkipPosition => &["lost"],
            Self::ApplyTwice => &["twice"],
            Self::OlderDocument => &["staleReads"],
            Self::DeadLetterTwice => &["deadLetters"],
        }
    }
}
