//! Single items that are asked for at the same moment, read in one call.
//!
//! Whoever comes while a call is under way waits for the next one, which begins after they asked. So calls grow with the
//! load by themselves, and who comes alone waits for nobody.

use std::sync::{Mutex, PoisonError};

use shared::id::ItemId;
use shared::read_model::ItemDocument;
use tokio::sync::{Notify, oneshot};

use super::{Found, Miss, RedisModel};

/// How many items one call reads: their answers are one after the other on the connection.
const MOST: usize = 64;

type Answer = Result<Found<Option<ItemDocument>>, Miss>;

/// Who waits. As many as there are requests, which the server bounds.
#[derive(Debug, Default)]
pub(super) struct Together {
    waiting: Mutex<Vec<Waiting>>,
    is_asked: Notify,
}

#[derive(Debug)]
struct Waiting {
    id: ItemId,
    tell: oneshot::Sender<Answer>,
}

impl Together {
    /// Reads one item with whoever else is waiting; [`Self::read`] does it.
    pub(super) async fn item(&self, id: ItemId) -> Answer {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(Waiting { id, tell });
            waiting.len() == 1
        };
        if is_first {
            self.is_asked.notify_one();
        }
        told.await.unwrap_or(Err(Miss::Unreachable))
    }

    /// Reads what is asked for, call by call; does not end by itself.
    pub(super) async fn read(&self, model: &RedisModel) {
        loop {
            let some = self.some();
            if some.is_empty() {
                self.is_asked.notified().await;
            } else {
                tell(some, model).await;
            }
        }
    }

    fn some(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(MOST);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell(waiting: Vec<Waiting>, model: &RedisModel) {
    let ids: Vec<ItemId> = waiting.iter().map(|waiting| waiting.id).collect();
    match model.items(&ids).await {
        Ok(Found { state, began, value }) => {
            for (Waiting { tell, .. }, value) in waiting.into_iter().zip(value) {
                // Who has gone meanwhile needs no answer.
                let _ = tell.send(Ok(Found { state: state.clone(), began, value }));
            }
        }
        Err(miss) => waiting.into_iter().for_each(|Waiting { tell, .. }| drop(tell.send(Err(miss.clone())))),
    }
}
