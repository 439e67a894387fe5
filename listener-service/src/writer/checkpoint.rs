//! When the write-ahead log goes back into the database: not after each batch, and never so that it grows for ever.

use std::cell::Cell;
use std::time::{Duration, Instant};

use fail::fail_point;
use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::clock::TimeSource;

/// 4 MiB of 4 KiB pages: often enough to stay in the page cache, rarely enough to cost little.
const PASSIVE_PAGES: i32 = 1024;
/// While there is a backlog a batch alone has more than that, and the next one writes most of the same pages again.
const PASSIVE_PAGES_OF_A_BACKLOG: i32 = 8 * PASSIVE_PAGES;
/// 64 MiB: readers have kept it from starting over, so wait for them, a moment.
const RESTART_PAGES: i32 = 16 * 1024;
const RESTART_EVERY: Duration = Duration::from_secs(5);
const RESTART_PATIENCE: Duration = Duration::from_millis(50);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

thread_local! {
    /// SQLite tells the log's size only to a plain function; it is called on the thread that commits.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

#[derive(Debug)]
pub(super) struct Checkpoints {
    done_at: i32,
    restarted: Instant,
    time: TimeSource,
}

impl Checkpoints {
    pub(super) fn of(connection: &Connection, time: TimeSource) -> Self {
        connection.wal_hook(Some(note_pages));
        Self { done_at: 0, restarted: time.instant(), time }
    }

    /// Copies if it is time, and says how long it took.
    pub(super) fn run(&mut self, connection: &Connection, has_backlog: bool) -> Option<Duration> {
        let passive_pages = if has_backlog { PASSIVE_PAGES_OF_A_BACKLOG } else { PASSIVE_PAGES };
        let pages = PAGES.get();
        if pages < self.done_at {
            // The log has started over.
            self.done_at = 0;
        }
        if pages >= RESTART_PAGES && self.time.since(self.restarted) >= RESTART_EVERY {
            self.restarted = self.time.instant();
            let _ = connection.busy_timeout(RESTART_PATIENCE);
            let took = checkpoint(connection, "RESTART");
            let _ = connection.busy_timeout(BUSY_TIMEOUT);
            self.done_at = pages;
            took
        } else if pages - self.done_at >= passive_pages {
            self.done_at = pages;
            checkpoint(connection, "PASSIVE")
        } else {
            None
        }
    }

    pub(super) fn finish(connection: &Connection) {
        checkpoint(connection, "TRUNCATE");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is SQLite's")]
fn note_pages(_: &Wal, pages: std::ffi::c_int) -> rusqlite::Result<()> {
    PAGES.set(pages);
    Ok(())
}

fn checkpoint(connection: &Connection, mode: &str) -> Option<Duration> {
    let started = Instant::now();
    fail_point!("checkpoint");
    let done = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    match done {
        Ok((busy, pages, copied)) => {
            let took = started.elapsed();
            tracing::debug!(mode, busy, pages, copied, took_us = took.as_micros(), "checkpoint");
            Some(took)
        }
        Err(error) => {
            tracing::warn!(mode, %error, "cannot checkpoint; tried again later");
            None
        }
    }
}
