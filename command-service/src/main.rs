//! command-service as a program of its own, on a real Kafka.

use std::process::ExitCode;

use command_service::{App, Program};
use shared::lifecycle::{Shutdown, block_on, exit_code};
use shared::{settings, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exit_code(block_on(run()))
}

async fn run() -> anyhow::Result<()> {
    let program: Program = settings::read();
    telemetry::install(&program.log, "command-service")?;
    let config = program.config()?;
    let shutdown = Shutdown::new();
    shutdown.begin_at_signal(config.drain)?;
    let app = App::build(config).await?;
    telemetry::announce_service("command", app.address());
    app.run(shutdown).await
}
