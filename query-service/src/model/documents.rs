//! Documents: items, alone and several at once, reservations and stores. Each is kept in memory under its aggregate's id,
//! and what was told of that id decides whether it still holds.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use shared::aggregate::AggregateId;
use shared::id::{ItemId, ReservationId};
use shared::read_model::{ItemDocument, StoreAsOf};
use shared::text::StoreId;

use super::{Found, Kept, Origin, ROUNDS, ReadError, ReadModel};
use crate::cache::Missing;
use crate::cache::entry::Entry;
use crate::query;
use crate::redis_model::{self, Miss, RedisModel};
use crate::source::{Loaded, SourceError, Stamp};

impl ReadModel {
    /// One item with its levels.
    pub(crate) async fn item(&self, id: ItemId) -> Result<Found<Kept>, ReadError> {
        self.document(AggregateId::Item(id)).await
    }

    /// One reservation with its lines.
    pub(crate) async fn reservation(&self, id: ReservationId) -> Result<Found<Kept>, ReadError> {
        self.document(AggregateId::Reservation(id)).await
    }

    /// One store.
    pub(crate) async fn store(&self, id: StoreId) -> Result<Found<Kept>, ReadError> {
        self.document(AggregateId::Store(id)).await
    }

    async fn document(&self, key: AggregateId) -> Result<Found<Kept>, ReadError> {
        // What few requests come to is boxed: all of them would move the room for it about.
        let in_redis = match &self.redis {
            Some(_) => Box::pin(self.documents_in_redis(std::slice::from_ref(&key))).await,
            None => Err(Miss::Unreachable),
        };
        let miss = match in_redis {
            Ok(mut found) => {
                let found = found.pop().expect("as many as were asked for");
                return found.map(|kept| self.in_redis(kept)).ok_or(ReadError::NotFound(key.kind()));
            }
            Err(miss) => miss,
        };
        let kept = self.kept(&key).await;
        let is_believed = self.following.is_believed();
        if let Some(kept) = &kept
            && is_believed
        {
            return Ok(Found::in_memory(Arc::clone(kept)));
        }
        if self.database.is_none() {
            return Err(miss.into());
        }
        if !self.following.is_reachable() {
            let stale = kept.and_then(|kept| self.as_stale(kept));
            return stale.map(Found::stale).ok_or_else(|| ReadError::Unavailable(SourceError::unreachable()));
        }
        // Without a follower that looks, only what was read after the request began is known to be the present.
        let not_before = (!is_believed).then(Instant::now);
        let holds =
            |stamp: &Stamp| self.is_above_floor(&key, stamp) && not_before.is_none_or(|time| stamp.began >= time);
        match Box::pin(self.documents.load(&key, || self.load(key.clone()), holds)).await {
            Ok(loaded) => Ok(Found::in_database(loaded)),
            Err(Missing::Nothing(_)) => Err(ReadError::NotFound(key.kind())),
            Err(Missing::Failed(error)) => {
                kept.and_then(|kept| self.as_stale(kept)).map(Found::stale).ok_or(ReadError::Unavailable(error))
            }
        }
    }

    /// Several items, in their order; what memory does not have is read in one transaction.
    pub(crate) async fn items(&self, ids: &[ItemId]) -> Result<Found<Vec<Option<Kept>>>, ReadError> {
        let keys: Vec<AggregateId> = ids.iter().map(|&id| AggregateId::Item(id)).collect();
        let miss = match self.documents_in_redis(&keys).await {
            Ok(found) => return Ok(self.in_redis(found)),
            Err(miss) => miss,
        };
        let mut found = Vec::with_capacity(keys.len());
        for key in &keys {
            found.push(self.kept(key).await);
        }
        let is_believed = self.following.is_believed();
        let wanted = |index: &usize| !is_believed || found[*index].is_none();
        let mut wanted: Vec<usize> = (0..keys.len()).filter(wanted).collect();
        let origin = if wanted.is_empty() { Origin::Memory } else { Origin::Database };
        if self.database.is_none() && !wanted.is_empty() {
            return Err(miss.into());
        }
        for _ in 0..ROUNDS {
            if wanted.is_empty() {
                break;
            }
            let loaded = match self.load_several(wanted.iter().map(|&index| keys[index].clone()).collect()).await {
                Ok(loaded) => loaded,
                Err(error) => return self.several_stale(found).ok_or(ReadError::Unavailable(error)),
            };
            let stamp = loaded.stamp;
            for (&index, entry) in wanted.iter().zip(loaded.value) {
                found[index] = entry.map(|value| Arc::new(Loaded { stamp, value }));
            }
            wanted.retain(|&index| !self.is_above_floor(&keys[index], &stamp));
        }
        for (key, kept) in keys.into_iter().zip(&found) {
            if let (Some(kept), Origin::Database) = (kept, origin) {
                self.documents.keep(key, Arc::clone(kept)).await;
            }
        }
        Ok(Found { value: found, origin, is_stale: false })
    }

    /// What Redis has of these, if it is whole, of the history followed here, and not older than anything shown of them or
    /// told.
    async fn documents_in_redis(&self, keys: &[AggregateId]) -> Result<Vec<Option<Kept>>, Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        for _ in 0..ROUNDS {
            let found = redis.documents(keys).await?;
            if !self.is_of_ours(&found.state).await {
                return Err(Miss::NotWhole);
            }
            let stamp = found.stamp();
            // A document may be newer than the model's state says.
            let of = |as_of: u64| Stamp { sequence: stamp.sequence.max(as_of), ..stamp };
            let as_of: Vec<u64> =
                found.value.iter().map(|found| found.as_ref().map_or(stamp.sequence, |of| of.0)).collect();
            let told = if self.following.is_believed() { 0 } else { self.following.told() };
            let is_present = |(key, &as_of): (&AggregateId, &u64)| {
                let stamp = of(as_of);
                self.is_above_floor(key, &stamp) && stamp.sequence >= told
            };
            if keys.iter().zip(&as_of).all(is_present) {
                keys.iter().zip(&as_of).for_each(|(key, &as_of)| self.following.floors.raise(key, as_of));
                // The state can be older than the moment in which it was found to be gone.
                for (key, _) in keys.iter().zip(&found.value).filter(|(_, found)| found.is_none()) {
                    self.documents.forget(key).await;
                }
                let entries = found
                    .value
                    .into_iter()
                    .map(|found| found.map(|(as_of, value)| Arc::new(Loaded { stamp: of(as_of), value })));
                return Ok(self.kept_beside(keys, entries.collect()).await);
            }
            if self.database.is_some() {
                break;
            }
        }
        Err(Miss::Behind)
    }

    /// Without a database, memory is what there is for the moments in which Redis does not answer.
    async fn kept_beside(&self, keys: &[AggregateId], found: Vec<Option<Kept>>) -> Vec<Option<Kept>> {
        if self.database.is_none() {
            for (key, kept) in keys.iter().zip(&found) {
                if let Some(kept) = kept
                    && self.kept(key).await.is_none()
                {
                    self.documents.keep(key.clone(), Arc::clone(kept)).await;
                }
            }
        }
        found
    }

    async fn kept(&self, key: &AggregateId) -> Option<Kept> {
        self.documents.kept(key, |stamp| self.is_above_floor(key, stamp)).await
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

    async fn load(&self, key: AggregateId) -> Result<Loaded<Entry>, Missing> {
        self.reachable().map_err(Missing::Failed)?;
        let broken_off = || Err(SourceError("the read was broken off".to_owned()));
        let read = async { self.together.ask(key).await.unwrap_or_else(broken_off) };
        let Loaded { stamp, value } = self.settled(read).await.map_err(Missing::Failed)?;
        value.map(|value| Loaded { stamp, value }).ok_or(Missing::Nothing(stamp))
    }

    /// Reads, transaction by transaction, the documents that are asked for at the same moment; does not end by itself. All
    /// that wait are read in one: behind each other, several would each wait for a connection.
    pub(crate) async fn read_together(&self) {
        let Some(database) = &self.database else { return };
        loop {
            let (keys, asking) = self.together.asked(usize::MAX).await;
            let each = move |connection: &Connection| Ok(keys.iter().map(|key| read(connection, key)).collect());
            match database.read(each).await {
                Ok(Loaded { stamp, value }) => {
                    let found: Vec<rusqlite::Result<Option<Entry>>> = value;
                    let answer = |found: rusqlite::Result<_>| Ok(Loaded { stamp, value: found? });
                    asking.tell(found.into_iter().map(answer));
                }
                Err(error) => asking.tell(std::iter::repeat_with(|| Err(error.clone()))),
            }
        }
    }

    async fn load_several(&self, keys: Vec<AggregateId>) -> Result<Loaded<Vec<Option<Entry>>>, SourceError> {
        self.fresh(move |connection| keys.iter().map(|key| read(connection, key)).collect()).await
    }
}

impl RedisModel {
    /// These, several items or one document of any kind, with the sequence as of which each is so.
    async fn documents(&self, keys: &[AggregateId]) -> Result<redis_model::Found<Vec<Option<(u64, Entry)>>>, Miss> {
        // As in `document`, what few come to is boxed.
        match keys {
            [AggregateId::Item(id)] => {
                Ok(self.item(*id).await?.map(|found| vec![found.map(|item| (item.as_of(), Entry::of_item(item)))]))
            }
            [AggregateId::Reservation(id)] => {
                let found = Box::pin(self.reservation(*id)).await?;
                Ok(found.map(|found| vec![found.map(|found| (found.as_of, Entry::of_reservation(found)))]))
            }
            [AggregateId::Store(id)] => {
                let of = |StoreAsOf { store, as_of }| (as_of, Entry::of_store(&store));
                Ok(Box::pin(self.store(id)).await?.map(|found| vec![found.map(of)]))
            }
            keys => {
                let ids: Option<Vec<ItemId>> = keys.iter().map(AggregateId::item).collect();
                let found = Box::pin(self.items(&ids.ok_or(Miss::NotKept)?)).await?;
                let of = |item: ItemDocument| (item.as_of(), Entry::of_item(item));
                Ok(found.map(|items| items.into_iter().map(|item| item.map(of)).collect()))
            }
        }
    }
}

fn read(connection: &Connection, key: &AggregateId) -> rusqlite::Result<Option<Entry>> {
    Ok(match key {
        AggregateId::Item(id) => {
            query::items::item(connection, *id)?.map(|item| Entry::of_item(ItemDocument::of(&item)))
        }
        AggregateId::Reservation(id) => query::reservations::reservation(connection, *id)?.map(Entry::of_reservation),
        AggregateId::Store(id) => query::stores::store(connection, id)?.as_ref().map(Entry::of_store),
    })
}
