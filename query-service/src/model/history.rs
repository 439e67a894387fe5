//! The ledger: what moved, and what a level was. Only the database has it.

use rusqlite::Connection;
use shared::aggregate::AggregateKind;
use shared::clock::Timestamp;
use shared::id::ItemId;
use shared::text::StoreId;

use super::{Found, MOST_LOOKED_AT, ReadError, ReadModel};
use crate::query::movements::{self, Movement, MovementFilter};
use crate::query::past::{self, Moment, Past, PastLevel};
use crate::query::walk::{Bounds, Page};

impl ReadModel {
    /// Movements that match, the newest first, from `greatest` down.
    pub(crate) async fn movements(
        &self,
        filter: MovementFilter,
        greatest: u64,
        limit: usize,
    ) -> Result<Found<Page<Movement>>, ReadError> {
        let bounds = Bounds { limit, most: MOST_LOOKED_AT };
        self.only_in_database("movements", move |connection| movements::page(connection, &filter, greatest, bounds))
            .await
    }

    /// The level of an item at a store at a moment.
    pub(crate) async fn past_level(
        &self,
        item: ItemId,
        store: StoreId,
        moment: Moment,
    ) -> Result<Found<PastLevel>, ReadError> {
        let now = Timestamp::wall_clock();
        let read = move |connection: &Connection| past::level(connection, item, &store, moment, now);
        let found = self.only_in_database("what a level was", read).await?;
        match found.value {
            Past::Level(level) => Ok(Found::in_database(level)),
            Past::NoItem => Err(ReadError::NotFound(AggregateKind::Item)),
            Past::Future => Err(ReadError::Future),
        }
    }

    /// Reads the present in the database; `what` for those who have none.
    async fn only_in_database<T: Send + 'static>(
        &self,
        what: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Found<T>, ReadError> {
        if self.database.is_none() {
            return Err(ReadError::NeedsDatabase(what));
        }
        let loaded = self.fresh(read).await.map_err(ReadError::Unavailable)?;
        Ok(Found::in_database(loaded.value))
    }
}
