//! Which process holds something, and whether it still runs.
//!
//! A pid alone names nobody for long: with the boot, the pid namespace and the start time it does. Where the system
//! cannot tell (anything but Linux), no two processes are ever known to be on the same machine, and only the lease's
//! time decides.

use rustix::process::{Pid, PidfdFlags, Signal};

/// One process, for as long as the machine is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Of this boot of the machine; empty if not known.
    pub boot_id: String,
    /// Pids mean nothing outside it.
    pub pid_namespace: String,
    /// The pid.
    pub pid: i32,
    /// In clock ticks since the boot: a reused pid has another.
    pub start_time: i64,
    /// For people.
    pub host: String,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    /// It does, stopped or not.
    Runs,
    /// It does not any more.
    Gone,
    /// It is on another machine or in another namespace.
    Unknowable,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: std::fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
            pid,
            start_time: stat(pid).map_or(0, |stat| stat.start_time),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// Whether `other` runs, as far as this process can know.
    pub fn existence_of(&self, other: &Self) -> Existence {
        let comparable = !self.boot_id.is_empty() && !self.pid_namespace.is_empty();
        if !comparable || self.boot_id != other.boot_id || self.pid_namespace != other.pid_namespace {
            return Existence::Unknowable;
        }
        match stat(other.pid) {
            // A zombie runs no more: its parent has only not asked yet.
            Some(stat) if stat.start_time == other.start_time && !matches!(stat.state, 'Z' | 'X') => Existence::Runs,
            _ => Existence::Gone,
        }
    }

    /// Whether `other` is on this machine and stopped (SIGSTOP, a debugger), so that it cannot go on by itself.
    pub fn sees_stopped(&self, other: &Self) -> bool {
        self.existence_of(other) == Existence::Runs
            && stat(other.pid).is_some_and(|stat| matches!(stat.state, 'T' | 't'))
    }

    /// Ends `other` with SIGKILL if it is on this machine, and never another process that has got its pid since.
    pub fn end(&self, other: &Self) -> std::io::Result<()> {
        let Some(pid) = Pid::from_raw(other.pid).filter(|_| other.pid != self.pid) else {
            return Ok(());
        };
        // The descriptor names the process, whatever becomes of the pid; so the check holds for the signal.
        let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        if self.existence_of(other) == Existence::Runs {
            rustix::process::pidfd_send_signal(&descriptor, Signal::KILL)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

struct Stat {
    state: char,
    start_time: i64,
}

/// Fields 3 and 22 of `proc_pid_stat(5)`; the name before them may hold blanks and parentheses.
fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat { state: fields.first()?.chars().next()?, start_time: fields.get(19)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_one_with_another_start_time_is_gone() {
        let me = Process::current();
        assert_eq!(me.existence_of(&me), Existence::Runs);
        let reused = Process { start_time: me.start_time + 1, ..me.clone() };
        assert_eq!(me.existence_of(&reused), Existence::Gone);
        let elsewhere = Process { boot_id: "other".to_owned(), ..me.clone() };
        assert_eq!(me.existence_of(&elsewhere), Existence::Unknowable);
    }

    #[test]
    fn a_process_that_ended_is_gone_before_its_parent_has_waited_for_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let me = Process::current();
        let pid = i32::try_from(child.id()).expect("a pid");
        let other = Process { pid, start_time: stat(pid).expect("runs").start_time, ..me.clone() };
        assert_eq!(me.existence_of(&other), Existence::Runs);
        me.end(&other).expect("ended");
        while me.existence_of(&other) == Existence::Runs {
            std::thread::yield_now();
        }
        assert_eq!(me.existence_of(&other), Existence::Gone);
        child.wait().expect("waited");
    }
}
