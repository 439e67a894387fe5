//! `inventory`: the trio in one process, and what helps to try it.

use std::process::ExitCode;

use inventory::settings::{Program, Task};
use inventory::trio::Trio;
use inventory::{import, seed, settings::RunSettings};
use shared::lifecycle::{self, Shutdown};
use shared::{settings, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let program: Program = settings::read();
    lifecycle::exit_code(lifecycle::block_on(async {
        telemetry::install(&program.run.log, "inventory")?;
        match &program.task {
            Some(Task::Seed(seed)) => seed::run(seed, &program.run).await,
            Some(Task::Import(import)) => import::run(import).await,
            None => run(&program.run).await,
        }
    }))
}

async fn run(settings: &RunSettings) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    shutdown.begin_at_signal(settings.host.drain())?;
    let trio = Trio::build(settings).await?;
    tokio::spawn(trio.announcement());
    trio.run(shutdown, settings.host.drain()).await
}
