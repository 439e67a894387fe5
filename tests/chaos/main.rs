//! Breaks the real system and shows that nothing is lost, nothing happens twice and nobody oversells.
//!
//! The services' own programs, a real Kafka and a real Redis run under a seeded load while they are killed, stopped, cut
//! off and starved; then every invariant is checked from what the clients remember and from what is stored
//! (docs/RELIABILITY.md). Any violation ends it non-zero, and everything needed to look at it is kept.
//!
//! ```sh
//! cargo test --release --test chaos -- --profile quick --seed 7
//! ```

mod arguments;
mod faults;
mod journal;
mod load;
mod memory;
mod place;
mod planted;
mod poison;
mod progress;
mod readers;
mod report;
mod run;
mod simulator;
mod verdict;
mod watch;
mod world;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let is_green = match arguments.plant.as_slice() {
        [] => run::whole(&arguments, &runtime),
        faults => planted::run(faults, &arguments, &runtime),
    };
    if is_green { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
