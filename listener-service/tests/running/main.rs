//! The running listener: as a part of this process with an embedded broker, and as processes that are killed, stopped
//! and starved.

mod app;
#[cfg(feature = "failpoints")]
mod failpoints;
mod migrating;
#[cfg(feature = "failpoints")]
mod planted;
mod processes;
mod read_model;
mod shipped;
mod spawned;
#[cfg(feature = "failpoints")]
mod world;

#[cfg(not(feature = "failpoints"))]
const PROGRAM: &str = env!("CARGO_BIN_EXE_listener-service");
#[cfg(feature = "failpoints")]
const PROGRAM: &str = env!("CARGO_BIN_EXE_breakable-listener");
