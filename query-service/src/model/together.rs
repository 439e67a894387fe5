//! Documents that are asked for at the same moment, read in one transaction.
//!
//! A transaction and the way to a thread that may block cost more than a document. Whoever comes while others are read waits
//! for the next transaction, which begins after they asked. So transactions grow with the load by themselves, and who comes
//! alone waits for nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use shared::aggregate::AggregateId;
use tokio::sync::oneshot;

use crate::cache::entry::Entry;
use crate::source::{Loaded, Source, SourceError};

/// How many transactions there are at once. Others than these need connections, too.
const AT_ONCE: usize = 2;

type Answer = Result<Loaded<Option<Entry>>, SourceError>;

/// Clones read together.
#[derive(Debug, Clone)]
pub(super) struct Together {
    database: Source,
    read: fn(&Connection, &AggregateId) -> rusqlite::Result<Option<Entry>>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    waiting: Vec<(AggregateId, oneshot::Sender<Answer>)>,
    /// At most [`AT_ONCE`].
    reading: usize,
}

impl Together {
    /// Of `database`; `read` reads one document.
    pub(super) fn new(
        database: Source,
        read: fn(&Connection, &AggregateId) -> rusqlite::Result<Option<Entry>>,
    ) -> Self {
        Self { database, read, asked: Arc::default() }
    }

    /// Reads one document with whoever else is waiting.
    pub(super) async fn document(&self, key: AggregateId) -> Answer {
        let (tell, told) = oneshot::channel();
        let is_to_read = {
            let mut asked = self.asked();
            asked.waiting.push((key, tell));
            let is_to_read = asked.reading < AT_ONCE;
            asked.reading += usize::from(is_to_read);
            is_to_read
        };
        if is_to_read {
            tokio::spawn(self.clone().read_all());
        }
        told.await.unwrap_or_else(|_| Err(SourceError("the read was broken off".to_owned())))
    }

    /// Reads until nobody waits.
    async fn read_all(self) {
        loop {
            let waiting = {
                let mut asked = self.asked();
                if asked.waiting.is_empty() {
                    asked.reading -= 1;
                    return;
                }
                std::mem::take(&mut asked.waiting)
            };
            let (keys, tell): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            let read = self.read;
            let each = move |connection: &Connection| Ok(keys.iter().map(|key| read(connection, key)).collect());
            match self.database.read(each).await {
                Ok(Loaded { stamp, value }) => {
                    let found: Vec<rusqlite::Result<Option<Entry>>> = value;
                    for (tell, found) in tell.into_iter().zip(found) {
                        // Who has gone meanwhile needs no answer.
                        let _ = tell.send(found.map(|value| Loaded { stamp, value }).map_err(SourceError::from));
                    }
                }
                Err(error) => tell.into_iter().for_each(|tell| drop(tell.send(Err(error.clone())))),
            }
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
