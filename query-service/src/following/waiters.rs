//! Requests that wait for the outcome of a command, by command.
//!
//! Only those whose command appears in the journal are woken: a thousand that wait cost a batch one look into a map
//! each entry, and the database nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::id::CommandId;
use tokio::sync::Notify;

/// More commands than this are not waited for: their requests are answered at once.
const MOST_COMMANDS: usize = 100_000;

/// Wakes everyone who waits for one command.
pub(crate) type Waiter = Arc<Notify>;

/// Who waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_command: Mutex<HashMap<CommandId, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    waiter: Waiter,
    requests: usize,
}

/// A place among those who wait, until dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    waiters: &'a Waiters,
    command: CommandId,
    pub(crate) waiter: Waiter,
}

impl Waiters {
    /// Register before you look: what is journaled after that wakes the waiter. `None` if too many wait.
    pub(crate) fn register(&self, command: CommandId) -> Option<Place<'_>> {
        let mut by_command = self.lock();
        if by_command.len() >= MOST_COMMANDS && !by_command.contains_key(&command) {
            return None;
        }
        let waiting = by_command.entry(command).or_insert_with(|| Waiting { waiter: Waiter::default(), requests: 0 });
        waiting.requests += 1;
        Some(Place { waiters: self, command, waiter: Arc::clone(&waiting.waiter) })
    }

    /// Those of these commands that anyone waits for.
    pub(crate) fn of(&self, commands: impl Iterator<Item = CommandId>) -> Vec<Waiter> {
        let by_command = self.lock();
        if by_command.is_empty() {
            return Vec::new();
        }
        commands.filter_map(|command| by_command.get(&command)).map(|waiting| Arc::clone(&waiting.waiter)).collect()
    }

    /// Everyone's.
    pub(crate) fn all(&self) -> Vec<Waiter> {
        self.lock().values().map(|waiting| Arc::clone(&waiting.waiter)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommandId, Waiting>> {
        self.by_command.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut waiting) = self.waiters.lock().entry(self.command) {
            waiting.get_mut().requests -= 1;
            if waiting.get().requests == 0 {
                waiting.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_request_that_leaves_takes_the_command_along() {
        let (waiters, command) = (Waiters::default(), CommandId::fresh());
        let first = waiters.register(command).unwrap();
        let second = waiters.register(command).unwrap();
        assert_eq!(waiters.of([command, CommandId::fresh()].into_iter()).len(), 1);
        drop(first);
        assert_eq!(waiters.of([command].into_iter()).len(), 1);
        drop(second);
        assert!(waiters.lock().is_empty());
    }
}
