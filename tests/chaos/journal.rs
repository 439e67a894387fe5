//! What happened when: one line for everything that was done to the system, and everything that was found wrong.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Of one run; shared by all who act in it.
#[derive(Debug)]
pub(crate) struct Journal {
    began: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: String,
    violations: Vec<Violation>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which promise, as the report counts it.
    pub(crate) of: &'static str,
    /// What was seen.
    pub(crate) seen: String,
}

impl Journal {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), kept: Mutex::default() }
    }

    pub(crate) fn note(&self, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(kept.lines, "{at:10.3} {what}");
    }

    pub(crate) fn violated(&self, of: &'static str, seen: impl Into<String>) {
        let seen = seen.into();
        self.note(&format!("VIOLATION {of}: {seen}"));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).violations.push(Violation { of, seen });
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).violations.clone()
    }

    pub(crate) fn count(&self, of: &str) -> usize {
        self.violations().iter().filter(|violation| violation.of == of).count()
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.began.elapsed()
    }

    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, &self.kept.lock().unwrap_or_else(PoisonError::into_inner).lines)
    }
}
