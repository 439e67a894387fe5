//! Who brings the catalogue forward beside the requests, for as long as somebody asks for pages now and then: to read what
//! has changed in some seconds takes longer than a page, and to read all items takes longer still.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Catalogue;
use crate::following::Following;
use crate::source::{Loaded, Source, SourceError, Stamp};

/// A catalogue that is older is brought forward, long before it is too old to be shown.
const YOUNG: Duration = Duration::from_millis(250);
/// How long after the last page it is kept young.
const WANTED_FOR: Duration = Duration::from_secs(30);

type Turn = OwnedMutexGuard<()>;

/// Clones keep the same catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) database: Source,
    pub(crate) following: Arc<Following>,
}

impl Keeper {
    /// Has it kept from now on if what has this stamp is not young any more.
    pub(crate) fn saw(&self, stamp: &Stamp) {
        if stamp.began.elapsed() > YOUNG && !self.following.is_present(stamp) {
            self.begin();
        }
    }

    /// Has it kept from now on, unless somebody does already or is changing it.
    pub(crate) fn begin(&self) {
        let Ok(place) = Arc::clone(&self.catalogue.keeper).try_lock_owned() else { return };
        // Before whoever asks now: there may be nothing to bring forward yet.
        let Ok(turn) = self.turn().try_lock_owned() else { return };
        let keeper = self.clone();
        tokio::spawn(async move {
            if let Err(error) = keeper.keep(turn).await {
                tracing::debug!(%error, "the catalogue cannot be read now");
            }
            drop(place);
        });
    }

    async fn keep(&self, mut turn: Turn) -> Result<(), SourceError> {
        loop {
            if !self.catalogue.stamp().is_some_and(|stamp| self.following.is_present(&stamp)) {
                let change = if self.catalogue.is_held() { Catalogue::bring_forward } else { Catalogue::read };
                turn = self.change(turn, change).await?;
            }
            drop(turn);
            tokio::time::sleep(YOUNG).await;
            if !self.catalogue.is_held() || !self.catalogue.was_asked_within(WANTED_FOR) {
                return Ok(());
            }
            turn = self.turn().lock_owned().await;
        }
    }

    /// To wait for before anything is changed.
    pub(crate) fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.catalogue.turn)
    }

    /// Changes what is held in a transaction of its own, and lets it be shown. The turn, which is given back, lasts as long
    /// as the read, even if nobody waits for that any more.
    pub(crate) async fn change(
        &self,
        turn: Turn,
        change: fn(&Catalogue, &Connection) -> rusqlite::Result<()>,
    ) -> Result<Turn, SourceError> {
        // The follower tries again all the time; nobody need wait for a connection to fail.
        if !self.following.is_reachable() {
            return Err(SourceError::unreachable());
        }
        let catalogue = Arc::clone(&self.catalogue);
        let changing = move |connection: &Connection| change(&catalogue, connection).map(|()| turn);
        let Loaded { stamp, value: turn } = self.database.read(changing).await?;
        self.following.settle(stamp.sequence).await;
        self.catalogue.settle(stamp);
        Ok(turn)
    }
}
