//! What ends the follower's pause: somebody writes to the files of the database, or a reader cannot wait.
//!
//! Linux tells of writes to the files of a folder (inotify(7)). That is a hint to look, and no more: the last write of a
//! commit comes before the commit can be seen, and a folder may be one that Linux does not tell of.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use rustix::io::{Result, read, write};

/// Rung by writes and by calls.
#[derive(Debug)]
pub(crate) struct Bell {
    calls: OwnedFd,
    writes: OwnedFd,
}

impl Bell {
    /// Told of no folder yet. An error if the process has no descriptors left.
    pub(crate) fn new() -> Result<Self> {
        let calls = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let writes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self { calls, writes })
    }

    /// Writes to the files of this folder ring from now on. Files come and go, and the folder stays.
    pub(crate) fn watch(&self, folder: &Path) -> Result<()> {
        inotify::add_watch(&self.writes, folder, inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE).map(drop)
    }

    /// Ends the present wait, or else the next one.
    pub(crate) fn call(&self) {
        // It cannot fail but by overflow, and then it rings already.
        let _ = write(&self.calls, &1_u64.to_ne_bytes());
    }

    /// Waits for a call, and if wanted for a write.
    pub(crate) fn wait(&self, at_most: Duration, for_writes: bool) {
        let both = &mut [PollFd::new(&self.calls, PollFlags::IN), PollFd::new(&self.writes, PollFlags::IN)];
        let some = &mut both[..=usize::from(for_writes)];
        let at_most = Timespec::try_from(at_most).expect("less than a second");
        // A signal ends it too; looking once too often does no harm.
        let _ = poll(some, Some(&at_most));
        if !both[0].revents().is_empty() {
            let _ = read(&self.calls, &mut [0; 8]);
        }
    }

    /// Whether something was written since this was asked last.
    pub(crate) fn was_written(&self) -> bool {
        let (mut events, mut was_written) = ([0; 4096], false);
        while read(&self.writes, &mut events).is_ok_and(|bytes| bytes > 0) {
            was_written = true;
        }
        was_written
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_millis(900);

    fn waits_long(bell: &Bell, for_writes: bool) -> bool {
        let began = Instant::now();
        bell.wait(LONG, for_writes);
        began.elapsed() >= LONG
    }

    #[test]
    fn a_write_to_a_file_that_came_later_ends_the_wait_of_who_waits_for_it() {
        let (folder, bell) = (tempfile::tempdir().unwrap(), Bell::new().unwrap());
        bell.watch(folder.path()).unwrap();
        assert!(!bell.was_written());
        std::fs::write(folder.path().join("x.db-wal"), "x").unwrap();
        assert!(!waits_long(&bell, true) && waits_long(&bell, false));
        assert!(bell.was_written() && !bell.was_written());
        assert!(waits_long(&bell, true));
    }

    #[test]
    fn a_call_ends_one_wait() {
        let bell = Bell::new().unwrap();
        bell.call();
        assert!(!waits_long(&bell, false) && waits_long(&bell, false));
    }
}
