//! query-service alone: one process that reads the model in Redis, the database of a listener-service on the same
//! host, or both.

use std::process::ExitCode;

use query_service::{App, Program};
use shared::lifecycle::{Shutdown, block_on, exit_code};
use shared::{settings, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let program: Program = settings::read();
    exit_code(block_on(serve(program)))
}

async fn serve(program: Program) -> anyhow::Result<()> {
    telemetry::install(&program.log, "query-service")?;
    let app = App::build(program.config()?).await?;
    let shutdown = Shutdown::new();
    shutdown.begin_at_signal(program.host.drain())?;
    telemetry::announce_service("query", app.address());
    app.run(shutdown).await
}
