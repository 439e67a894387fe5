//! A service at a fixed port, where it is started again after each time that it dies.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use testkit::kafka::free_port;
use testkit::process::Process;

/// Clients know its address for the whole run.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) base: String,
    service: &'static str,
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Mutex<Option<Process>>,
    life: AtomicU64,
}

impl Place {
    /// Nothing runs there yet.
    pub(crate) fn new(
        name: &str,
        (service, port_variable): (&'static str, &'static str),
        program: PathBuf,
        folder: PathBuf,
        mut environment: Vec<(&'static str, String)>,
    ) -> Self {
        let port = free_port();
        environment.push((port_variable, port.to_string()));
        Self {
            name: name.to_owned(),
            base: format!("http://127.0.0.1:{port}"),
            service,
            program,
            folder,
            environment,
            process: Mutex::new(None),
            life: AtomicU64::new(0),
        }
    }

    /// Starts it; it may not be ready for a while.
    pub(crate) fn start(&self, more: &[(&'static str, String)]) {
        let environment = [&self.environment[..], more].concat();
        let process = Process::start(&self.program, &self.name, &self.folder, &environment);
        let base = process.service(self.service);
        assert_eq!(base, self.base, "{} is where it was told to be", self.name);
        *self.lock() = Some(process);
    }

    /// kill -9. What is read of it from now on is of another life.
    pub(crate) fn kill(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
        if let Some(process) = self.lock().take() {
            process.kill();
        }
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn signal(&self, signal: &str) {
        if let Some(process) = self.lock().as_ref() {
            process.signal(signal);
        }
    }

    /// Ctrl-C; whether it ended well.
    pub(crate) fn interrupt(&self) -> bool {
        self.lock().take().is_none_or(Process::interrupt)
    }

    /// Which life this is: what a reader holds it to is of one.
    pub(crate) fn life(&self) -> u64 {
        self.life.load(Ordering::SeqCst)
    }

    /// While it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::pid)
    }

    /// Whether it ended though nobody ended it.
    pub(crate) fn has_died(&self) -> bool {
        self.lock().as_mut().is_some_and(|process| !process.runs())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
