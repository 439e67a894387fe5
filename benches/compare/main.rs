//! Figures of the whole system that anyone can check: each beside a floor, or a peer, measured in the same run.
//!
//! `cargo bench --bench compare` starts what it needs, runs every row interleaved with its floor, five times, and leaves
//! `compare.json` and `compare.svg` in the target folder. `-- --row NAME` runs one row (again for more), `-- --quick` a short
//! run that says whether all works, and little else. Everything shares the machine's cores with the load, so the ratios say
//! more than the rates.

mod bench;
mod chart;
mod floors;
mod load;
mod parts;
mod report;
mod row;
mod rows;
mod stock;
mod usage;

use std::process::ExitCode;

use crate::bench::Bench;
use crate::floors::{http, served};
use crate::parts::broker;

/// As the services have it, for the floors are this program, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [http::ECHO] => return http::serve_echo().map(|()| ExitCode::SUCCESS),
        [http::STATIC, body, servers] => return http::serve_static(body, servers).map(|()| ExitCode::SUCCESS),
        [served::SQL, database, body] => return served::serve(database, body).map(|()| ExitCode::SUCCESS),
        [broker::BROKER] => return broker::serve().map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let bench = Bench::from_arguments(&arguments)?;
    report::begin(&bench);
    let rows = rows::measure(&bench);
    report::finish(&rows)
}
