//! The in-process broker in a process of its own: this program, started with an argument.

use std::path::Path;

use kafka::{EmbeddedBroker, Topics};
use testkit::process::Process;

/// The argument.
pub(crate) const BROKER: &str = "serve-broker";

/// Until it is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let broker = EmbeddedBroker::start(&Topics::default())?;
    println!("broker {}", broker.connection().brokers());
    loop {
        std::thread::park();
    }
}

/// The process, and `host:port` of the broker.
pub(crate) fn start(folder: &Path) -> anyhow::Result<(Process, String)> {
    let process = Process::start_with(&std::env::current_exe()?, &[BROKER], "broker", folder, &[]);
    let address = process.line("broker");
    Ok((process, address))
}
