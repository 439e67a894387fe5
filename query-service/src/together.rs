//! What is asked for at the same moment, read together.
//!
//! One call or transaction for many costs little more than one for one. Whoever comes while one is under way waits for the
//! next, which begins after they asked. So they grow with the load by themselves, and who comes alone waits for nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// Who asks for keys `K`, and waits for answers `A`. As many as there are requests, which the server bounds.
#[derive(Debug)]
pub(crate) struct Together<K, A> {
    waiting: Mutex<Vec<(K, oneshot::Sender<A>)>>,
    is_asked: Notify,
}

/// Who waits for the keys that [`Together::asked`] gave, in their order.
#[derive(Debug)]
pub(crate) struct Asking<A>(Vec<oneshot::Sender<A>>);

impl<K, A> Default for Together<K, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), is_asked: Notify::new() }
    }
}

impl<K, A> Together<K, A> {
    /// Asks with whoever else is waiting. `None` if the read was broken off.
    pub(crate) async fn ask(&self, key: K) -> Option<A> {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push((key, tell));
            waiting.len() == 1
        };
        if is_first {
            self.is_asked.notify_one();
        }
        told.await.ok()
    }

    /// What is asked for, `most` keys at most, as soon as there is anything.
    pub(crate) async fn asked(&self, most: usize) -> (Vec<K>, Asking<A>) {
        loop {
            let some: Vec<_> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(most);
                waiting.drain(..count).collect()
            };
            if some.is_empty() {
                self.is_asked.notified().await;
                continue;
            }
            let (keys, asking) = some.into_iter().unzip();
            return (keys, Asking(asking));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(K, oneshot::Sender<A>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Asking<A> {
    /// Tells each its answer.
    pub(crate) fn tell(self, answers: impl IntoIterator<Item = A>) {
        for (tell, answer) in self.0.into_iter().zip(answers) {
            // Who has gone meanwhile needs no answer.
            let _ = tell.send(answer);
        }
    }
}
