//! `--go-down-to`: an operator brings the schema back to what an older program knows.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use shared::lifecycle::{DataHeld, Shutdown};

use crate::lease::{Attempt, Candidate, Lease};
use crate::process::Existence;
use crate::{database, schema};

const LOOK_AT_LEASE_EVERY: Duration = Duration::from_millis(100);

/// Takes the lease, so that nobody writes meanwhile, goes down, and gives it back. Refuses if another process holds it;
/// one that is not known to run must stand still for `patience`.
pub fn run(path: &Path, version: usize, patience: Duration, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut connection = database::open(path)?;
    let lease = take(&mut connection, path, patience, shutdown)?;
    let gone = schema::go_down(&mut connection, path, version, lease);
    lease.release(&connection)?;
    let backup = gone?;
    println!("schema version {version}; as it was before: {}", backup.display());
    Ok(())
}

fn take(connection: &mut Connection, path: &Path, patience: Duration, shutdown: &Shutdown) -> anyhow::Result<Lease> {
    let mut candidate = Candidate::new(patience);
    let begun = Instant::now();
    let mut told = false;
    while !shutdown.has_begun() {
        // The candidate's first look comes a little later than ours. Whom it has not followed by then has moved.
        let watched = begun.elapsed() > patience + LOOK_AT_LEASE_EVERY;
        match candidate.attempt(connection)? {
            Attempt::Taken(lease) => return Ok(lease),
            Attempt::Held { holder, existence, .. } => {
                if watched || existence == Existence::Runs {
                    let path = path.display();
                    return Err(DataHeld(format!("{path} is held by {holder}; stop every listener first")).into());
                }
                if !std::mem::replace(&mut told, true) {
                    tracing::info!(%holder, "not known to run; waiting whether its heartbeat stands still");
                }
            }
        }
        std::thread::sleep(LOOK_AT_LEASE_EVERY);
    }
    anyhow::bail!("told to stop before it had the lease; nothing was changed")
}
