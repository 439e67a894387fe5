//! The listener that a test breaks at a named point, or that does wrong on purpose. Never shipped (docs/adr/0014).

use std::process::ExitCode;

use listener_service::{failpoints, program};
use shared::lifecycle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match failpoints::arm() {
        Ok(()) => program::run(),
        Err(error) => lifecycle::exit_code(Err(error.into())),
    }
}
