//! Starting and stopping: one shutdown, passed by value; a drain with a deadline; a second signal ends at once.

use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::settings::SettingsError;

/// The exit code for bad settings (`EX_USAGE` of sysexits.h).
pub const EXIT_SETTINGS: u8 = 64;
/// The exit code when somebody else holds the data (`EX_TEMPFAIL` of sysexits.h).
pub const EXIT_DATA_HELD: u8 = 75;
/// The exit code after a second signal.
const EXIT_SECOND_SIGNAL: i32 = 130;

/// Tells everything that runs to end, and until when; clones share it.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    expired: CancellationToken,
}

impl Shutdown {
    /// Not begun. The deadline is set when it begins.
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), expired: CancellationToken::new() }
    }

    /// Asks everything to end within `drain`. Needs a running tokio runtime.
    pub fn begin(&self, drain: Duration) {
        if !self.token.is_cancelled() {
            self.token.cancel();
            let expired = self.expired.clone();
            tokio::spawn(async move {
                tokio::time::sleep(drain).await;
                expired.cancel();
            });
        }
    }

    /// For what ends after something else has: it begins by itself, with [`Self::follow`], and has this one's deadline.
    #[must_use]
    pub fn later(&self) -> Self {
        Self { token: CancellationToken::new(), expired: self.expired.clone() }
    }

    /// What was to end before has ended.
    pub fn follow(&self) {
        self.token.cancel();
    }

    /// Waits until it has begun.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the time to drain is over.
    pub async fn deadline(&self) {
        self.expired.cancelled().await;
    }

    /// Whether the time to drain is over.
    pub fn is_expired(&self) -> bool {
        self.expired.is_cancelled()
    }

    /// Begins at SIGTERM or Ctrl-C; a second one ends the process at once.
    pub fn begin_at_signal(&self, drain: Duration) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            for nth in 1.. {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if nth > 1 {
                    tracing::warn!(signal = name, "second signal: ending at once");
                    std::process::exit(EXIT_SECOND_SIGNAL);
                }
                tracing::info!(signal = name, drain_seconds = drain.as_secs(), "stopping");
                shutdown.begin(drain);
            }
        });
        Ok(())
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// Another process writes to the data and goes on doing so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataHeld(pub String);

/// The exit code of a program that ended so: bad settings are 64 with the variable named, data that somebody else
/// holds is 75, any other error is 1. What went wrong is written to standard error in plain words.
pub fn exit_code(result: anyhow::Result<()>) -> std::process::ExitCode {
    let Err(error) = result else { return std::process::ExitCode::SUCCESS };
    let code = if error.is::<SettingsError>() {
        EXIT_SETTINGS
    } else if error.is::<DataHeld>() {
        EXIT_DATA_HELD
    } else {
        1
    };
    // That it cannot be written changes nothing of the code.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    std::process::ExitCode::from(code)
}

/// Runs `main` on a multi-threaded runtime and waits for it. The process ends next, and what still runs ends with it: a
/// runtime that is taken down first would make threads that use it panic.
pub fn block_on<T>(main: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(main);
    std::mem::forget(runtime);
    result
}
