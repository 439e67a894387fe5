//! command-service as a program of its own, on a real Kafka.

use std::io::Write;
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
    telemetry::install(&program.log)?;
    let config = program.config()?;
    let shutdown = Shutdown::new();
    shutdown.begin_at_signal(config.drain)?;
    let app = App::build(config).await?;
    // Whoever started us may not read these lines; that is no reason to end.
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "command http://{}", app.address());
    let _ = writeln!(stdout, "swagger http://{}/swagger/index.html", app.address());
    app.run(shutdown).await
}
