//! Items, alone and several at once.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use shared::id::ItemId;

use super::{Found, Kept, Origin, ROUNDS, ReadError, ReadModel, unreachable};
use crate::cache::Missing;
use crate::cache::entry::Entry;
use crate::query::documents;
use crate::redis_model::Miss;
use crate::source::{Loaded, SourceError, Stamp};

impl ReadModel {
    /// One item with its levels.
    pub(crate) async fn item(&self, id: ItemId) -> Result<Found<Kept>, ReadError> {
        let miss = match self.items_in_redis(&[id]).await {
            Ok(mut found) => {
                let found = found.pop().expect("as many as were asked for");
                return found.map(|kept| self.in_redis(kept)).ok_or(ReadError::NotFound);
            }
            Err(miss) => miss,
        };
        let kept = self.kept(id).await;
        let is_believed = self.following.is_believed();
        if let Some(kept) = &kept
            && is_believed
        {
            return Ok(Found::in_memory(Arc::clone(kept)));
        }
        if self.database.is_none() {
            return Err(ReadError::Unavailable(miss.into()));
        }
        if !self.following.is_reachable() {
            let stale = kept.and_then(|kept| self.as_stale(kept));
            return stale.map(Found::stale).ok_or_else(|| ReadError::Unavailable(unreachable()));
        }
        // Without a follower that looks, only what was read after the request began is known to be the present.
        let not_before = (!is_believed).then(Instant::now);
        let holds = |stamp: &Stamp| self.is_above_floor(id, stamp) && not_before.is_none_or(|time| stamp.began >= time);
        match self.items.load(&id, || self.load(id), holds).await {
            Ok(loaded) => Ok(Found::in_database(loaded)),
            Err(Missing::Nothing(_)) => Err(ReadError::NotFound),
            Err(Missing::Failed(error)) => {
                kept.and_then(|kept| self.as_stale(kept)).map(Found::stale).ok_or(ReadError::Unavailable(error))
            }
        }
    }

    /// Several items, in their order; what memory does not have is read in one transaction.
    pub(crate) async fn items(&self, ids: &[ItemId]) -> Result<Found<Vec<Option<Kept>>>, ReadError> {
        let miss = match self.items_in_redis(ids).await {
            Ok(found) => return Ok(self.in_redis(found)),
            Err(miss) => miss,
        };
        let mut found = Vec::with_capacity(ids.len());
        for &id in ids {
            found.push(self.kept(id).await);
        }
        let is_believed = self.following.is_believed();
        let wanted = |index: &usize| !is_believed || found[*index].is_none();
        let mut wanted: Vec<usize> = (0..ids.len()).filter(wanted).collect();
        let origin = if wanted.is_empty() { Origin::Memory } else { Origin::Database };
        if self.database.is_none() && !wanted.is_empty() {
            return Err(ReadError::Unavailable(miss.into()));
        }
        for _ in 0..ROUNDS {
            if wanted.is_empty() {
                break;
            }
            let loaded = match self.load_several(wanted.iter().map(|&index| ids[index]).collect()).await {
                Ok(loaded) => loaded,
                Err(error) => return self.several_stale(found).ok_or(ReadError::Unavailable(error)),
            };
            let stamp = loaded.stamp;
            for (&index, entry) in wanted.iter().zip(loaded.value) {
                found[index] = entry.map(|value| Arc::new(Loaded { stamp, value }));
            }
            wanted.retain(|&index| !self.is_above_floor(ids[index], &stamp));
        }
        for (&id, kept) in ids.iter().zip(&found) {
            if let (Some(kept), Origin::Database) = (kept, origin) {
                self.items.keep(id, Arc::clone(kept)).await;
            }
        }
        Ok(Found { value: found, origin, is_stale: false })
    }

    /// What Redis has of these items, if it is whole, of the history followed here, and not older than anything shown of
    /// them or told.
    async fn items_in_redis(&self, ids: &[ItemId]) -> Result<Vec<Option<Kept>>, Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        for _ in 0..ROUNDS {
            let found = redis.items(ids).await?;
            if !self.is_of_ours(&found.state).await {
                return Err(Miss::NotWhole);
            }
            let stamp = found.stamp();
            // A document may be newer than the model's state says.
            let of = |as_of: u64| Stamp { sequence: stamp.sequence.max(as_of), ..stamp };
            let as_of = found.value.iter().map(|item| item.as_ref().map_or(stamp.sequence, |item| item.as_of));
            let told = if self.following.is_believed() { 0 } else { self.following.told() };
            let is_present = |(id, as_of): (&ItemId, u64)| {
                let stamp = of(as_of);
                self.is_above_floor(*id, &stamp) && stamp.sequence >= told
            };
            if ids.iter().zip(as_of.clone()).all(is_present) {
                ids.iter().zip(as_of).for_each(|(id, as_of)| self.following.floors.raise(*id, as_of));
                // The state can be older than the moment in which an item was found to be gone.
                for (id, _) in ids.iter().zip(&found.value).filter(|(_, item)| item.is_none()) {
                    self.items.forget(id).await;
                }
                let entries = found.value.iter().map(|item| {
                    item.as_ref().map(|item| Arc::new(Loaded { stamp: of(item.as_of), value: Entry::of(item) }))
                });
                return Ok(self.kept_beside(ids, entries.collect()).await);
            }
            if self.database.is_some() {
                break;
            }
        }
        Err(Miss::Behind)
    }

    /// Without a database, memory is what there is for the moments in which Redis does not answer.
    async fn kept_beside(&self, ids: &[ItemId], found: Vec<Option<Kept>>) -> Vec<Option<Kept>> {
        if self.database.is_none() {
            for (&id, kept) in ids.iter().zip(&found) {
                if let Some(kept) = kept
                    && self.kept(id).await.is_none()
                {
                    self.items.keep(id, Arc::clone(kept)).await;
                }
            }
        }
        found
    }

    async fn kept(&self, id: ItemId) -> Option<Kept> {
        self.items.kept(&id).await.filter(|kept| self.is_above_floor(id, &kept.stamp))
    }

    /// What may be shown, marked, while the database cannot be read. Relied on: floors were raised for all that was
    /// followed, so it is not older than anything that was shown of its key; and an outcome that was told is either
    /// followed or older than it.
    fn as_stale(&self, kept: Kept) -> Option<Kept> {
        let told = self.following.told();
        (self.following.sequence() >= told || kept.stamp.sequence >= told).then_some(kept)
    }

    fn several_stale(&self, found: Vec<Option<Kept>>) -> Option<Found<Vec<Option<Kept>>>> {
        let all: Option<Vec<_>> = found.into_iter().map(|kept| self.as_stale(kept?).map(Some)).collect();
        all.map(Found::stale)
    }

    async fn load(&self, id: ItemId) -> Result<Loaded<Entry>, Missing> {
        let read = move |connection: &Connection| Ok(documents::document(connection, id)?.as_ref().map(Entry::of));
        let Loaded { stamp, value } = self.fresh(read).await.map_err(Missing::Failed)?;
        value.map(|value| Loaded { stamp, value }).ok_or(Missing::Nothing(stamp))
    }

    async fn load_several(&self, ids: Vec<ItemId>) -> Result<Loaded<Vec<Option<Entry>>>, SourceError> {
        self.fresh(move |connection| {
            let read = |&id: &ItemId| Ok(documents::document(connection, id)?.as_ref().map(Entry::of));
            ids.iter().map(read).collect()
        })
        .await
    }
}
