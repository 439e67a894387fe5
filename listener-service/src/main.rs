//! The listener as a program of its own.

use std::process::ExitCode;

use listener_service::app::App;
use listener_service::config::{Config, Program};
use listener_service::going_down;
use shared::lifecycle::{self, Shutdown};
use shared::{settings, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    if let Err(error) = listener_service::failpoints::arm() {
        return lifecycle::exit_code(Err(error.into()));
    }
    let program: Program = settings::read();
    lifecycle::exit_code(lifecycle::block_on(run(program)))
}

async fn run(program: Program) -> anyhow::Result<()> {
    telemetry::install(&program.log, "listener-service")?;
    let shutdown = Shutdown::new();
    shutdown.begin_at_signal(program.host.drain())?;
    if let Some(version) = program.go_down_to {
        return going_down::run(&program.sqlite.sqlite_path, version, program.listener.lease(), &shutdown);
    }
    program.sqlite.make_default_folder()?;
    let app = App::build(Config::from_program(&program)?).await?;
    telemetry::announce_service("listener", app.address());
    app.run(shutdown).await
}
