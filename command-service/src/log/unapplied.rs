//! What is on the embedded log and not yet applied: bounded, and refused while the writer stands still.
//!
//! That log keeps some 5 MiB and drops the oldest beyond, so what the writer has not committed must stay far below.
//! Each message holds a place of its size until the writer's position is past it, whether its sender waits or not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::NotAccepted;

/// Less than half of what the log keeps.
const ROOM_BYTES: usize = 2 * 1024 * 1024;
/// What the log adds to a message: the head of a batch, since one alone may be in it, and of a record.
const OVERHEAD_BYTES: usize = 128;
const WAIT_FOR_ROOM: Duration = Duration::from_secs(1);
const STUCK_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Unapplied {
    applied: watch::Receiver<i64>,
    room: Arc<Semaphore>,
    entered: Arc<Mutex<Entered>>,
}

#[derive(Debug, Default)]
struct Entered {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

/// The place of one message; free again once it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    applied: watch::Receiver<i64>,
    entered: Arc<Mutex<Entered>>,
    number: u64,
    _room: OwnedSemaphorePermit,
}

impl Unapplied {
    /// `applied` is the writer's next offset: all below it is committed.
    pub(super) fn new(applied: watch::Receiver<i64>) -> Self {
        Self { applied, room: Arc::new(Semaphore::new(ROOM_BYTES)), entered: Arc::default() }
    }

    /// A place for a message of this size, before it is enqueued; waits up to a second for room.
    pub(super) async fn enter(&self, bytes: usize) -> Result<Place, NotAccepted> {
        self.refuse_if_stuck()?;
        let bytes = u32::try_from(bytes + OVERHEAD_BYTES).expect("a message is no larger than a body");
        let room = match timeout(WAIT_FOR_ROOM, Arc::clone(&self.room).acquire_many_owned(bytes)).await {
            Ok(room) => room.expect("nobody closes the semaphore"),
            Err(_) => return Err(NotAccepted::Unavailable("too much waits for the writer".to_owned())),
        };
        // While this one waited the writer may have come to a stop.
        self.refuse_if_stuck()?;
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entered.next;
        entered.next += 1;
        entered.since.insert(number, Instant::now());
        Ok(Place { applied: self.applied.clone(), entered: Arc::clone(&self.entered), number, _room: room })
    }

    fn refuse_if_stuck(&self) -> Result<(), NotAccepted> {
        if self.applied.has_changed().is_err() {
            return Err(NotAccepted::Unavailable("the writer has ended".to_owned()));
        }
        let entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        match entered.since.first_key_value().map(|(_, since)| since.elapsed()) {
            Some(waiting) if waiting > STUCK_AFTER => {
                let detail = format!("the writer has not committed a command for {} ms", waiting.as_millis());
                Err(NotAccepted::Unavailable(detail))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    /// Waits until the message at `offset` is committed, without a bound of its own.
    pub(super) async fn until_applied(&mut self, offset: i64) -> Result<(), NotAccepted> {
        let applied = self.applied.wait_for(|&next| next > offset).await;
        applied
            .map(drop)
            .map_err(|_| NotAccepted::Unknown("the writer ended before it committed the command".to_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner).since.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::poll::eventually;

    #[tokio::test]
    async fn no_more_than_the_room_enters_and_a_place_that_is_free_is_taken_at_once() {
        let (_writer, applied) = watch::channel(0);
        let unapplied = Unapplied::new(applied);
        let whole = unapplied.enter(ROOM_BYTES - OVERHEAD_BYTES).await.expect("all the room");
        let began = Instant::now();
        assert!(matches!(unapplied.enter(1).await, Err(NotAccepted::Unavailable(_))));
        assert!(began.elapsed() >= WAIT_FOR_ROOM);
        drop(whole);
        unapplied.enter(1).await.expect("room again");
    }

    #[tokio::test]
    async fn while_the_oldest_waits_for_more_than_a_second_nothing_enters() {
        let (writer, applied) = watch::channel(0);
        let unapplied = Unapplied::new(applied);
        let mut oldest = unapplied.enter(1).await.expect("room");
        let refused = eventually(Duration::from_secs(10), async || unapplied.enter(1).await.err()).await;
        assert!(matches!(refused, NotAccepted::Unavailable(_)), "{refused:?}");
        writer.send_replace(8);
        oldest.until_applied(7).await.expect("applied");
        drop(oldest);
        unapplied.enter(1).await.expect("it goes on");
    }

    #[tokio::test]
    async fn without_a_writer_nothing_enters_and_what_has_entered_is_unknown() {
        let (writer, applied) = watch::channel(0);
        let unapplied = Unapplied::new(applied);
        let mut place = unapplied.enter(1).await.expect("room");
        drop(writer);
        assert!(matches!(place.until_applied(0).await, Err(NotAccepted::Unknown(_))));
        assert!(matches!(unapplied.enter(1).await, Err(NotAccepted::Unavailable(_))));
    }
}
