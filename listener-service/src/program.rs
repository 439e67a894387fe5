//! The listener as a program of its own: what it is told, its log, and how it ends.

use std::process::ExitCode;

use shared::lifecycle::{self, Shutdown};
use shared::{settings, telemetry};

use crate::app::App;
use crate::config::{Config, Program};
use crate::going_down;

/// Runs until it is told to end, with the settings of the command line and the environment.
pub fn run() -> ExitCode {
    let program: Program = settings::read();
    lifecycle::exit_code(lifecycle::block_on(serve(program)))
}

async fn serve(program: Program) -> anyhow::Result<()> {
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
