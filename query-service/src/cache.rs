//! Memory: documents, pages and overviews that were read before, each with the journal sequence that it was read at.
//!
//! What is here is never served by itself: the reader says which stamps still hold. A missing key is loaded once,
//! however many ask for it at the same time.

pub(crate) mod entry;
mod recent;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;
use shared::aggregate::AggregateId;

use crate::source::{Loaded, SourceError, Stamp};
use entry::Entry;
use recent::Recent;

/// How often a load that was overtaken is repeated. From the second on, a load has begun after its request did, so what
/// the last one finds may be shown even if it was overtaken again: the request and the write were concurrent.
const LOADS: usize = 4;
/// Enough for a few thousand pages of usual items.
const BODIES_BYTES: u64 = 32 * 1024 * 1024;
/// A key, whose texts are bounded, and what the cache itself needs of each entry, roughly.
const ENTRY_BYTES: usize = 1024;
/// How long a document is found without a look at moka.
const MOMENT: Duration = Duration::from_secs(2);

/// Why a load found no value.
#[derive(Debug, Clone)]
pub(crate) enum Missing {
    /// There is none in the state with this stamp. Not kept: anyone may ask for anything.
    Nothing(Stamp),
    /// The source failed.
    Failed(SourceError),
}

/// Values by key.
pub(crate) struct Memory<K, T> {
    entries: Cache<K, Arc<Loaded<T>>, RandomState>,
    /// Of what is asked for most.
    recent: Option<Recent<K, T>>,
}

impl<K, T> fmt::Debug for Memory<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory<AggregateId, Entry> {
    /// At most `capacity` documents, each for at most `ttl`, with jitter so that what was loaded together does not expire
    /// together.
    pub(crate) fn of_documents(capacity: u64, ttl: Duration) -> Self {
        let moment = MOMENT.min(ttl / 10);
        let entries =
            Cache::builder().max_capacity(capacity).expire_after(Jittered { ttl: ttl.saturating_sub(moment) });
        let entries = entries.build_with_hasher(RandomState::default());
        Self { entries, recent: Some(Recent::new(capacity, moment)) }
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Memory<K, bytes::Bytes> {
    /// Bodies of answers that no key has a floor for, for at most `ttl`.
    pub(crate) fn of_bodies(ttl: Duration) -> Self {
        let weigher =
            |_: &K, body: &Arc<Loaded<bytes::Bytes>>| u32::try_from(ENTRY_BYTES + body.value.len()).unwrap_or(u32::MAX);
        let entries = Cache::builder().max_capacity(BODIES_BYTES).weigher(weigher).time_to_live(ttl);
        Self { entries: entries.build_with_hasher(RandomState::default()), recent: None }
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, T: Send + Sync + 'static> Memory<K, T> {
    /// What is kept of this key, if it holds.
    pub(crate) async fn kept(&self, key: &K, holds: impl Fn(&Stamp) -> bool) -> Option<Arc<Loaded<T>>> {
        let holds = |kept: &Arc<Loaded<T>>| holds(&kept.stamp);
        let Some(recent) = &self.recent else { return self.entry(key).await.filter(holds) };
        let (found, forgotten) = recent.find(key).unzip();
        if let Some(found) = found.flatten().filter(holds) {
            return Some(found);
        }
        let kept = self.entry(key).await.filter(holds)?;
        if let Some(forgotten) = forgotten {
            recent.found(key, &kept, forgotten);
        }
        Some(kept)
    }

    /// What moka has of this key, whether it still holds or not.
    async fn entry(&self, key: &K) -> Option<Arc<Loaded<T>>> {
        // Nearly always at once: moka waits only behind work of its own that was broken off. With its future in it, those
        // around this one had the room for that, and each move of one copies all of it.
        match self.entries.get(key).now_or_never() {
            Some(kept) => kept,
            None => Box::pin(self.entries.get(key)).await,
        }
    }

    /// Loads the key unless what is kept holds. A load that was overtaken, one's own or one that was joined, is repeated.
    pub(crate) async fn load<F>(
        &self,
        key: &K,
        load: impl Fn() -> F,
        holds: impl Fn(&Stamp) -> bool,
    ) -> Result<Arc<Loaded<T>>, Missing>
    where
        F: Future<Output = Result<Loaded<T>, Missing>>,
    {
        let mut left = LOADS;
        loop {
            self.remove_unless(key, &holds).await;
            let loading = async { load().await.map(Arc::new) };
            let loaded = self.entries.try_get_with_by_ref(key, loading).await.map_err(|missing| (*missing).clone());
            left -= 1;
            let is_valid = match &loaded {
                Ok(loaded) => holds(&loaded.stamp),
                Err(Missing::Nothing(stamp)) => holds(stamp),
                Err(Missing::Failed(_)) => true,
            };
            if is_valid || left == 0 {
                return loaded;
            }
        }
    }

    /// Keeps a value that was loaded outside, unless a newer one is there.
    pub(crate) async fn keep(&self, key: K, loaded: Arc<Loaded<T>>) {
        let newer = |kept: &Arc<Loaded<T>>| kept.stamp.sequence >= loaded.stamp.sequence;
        let decide = |kept: Option<moka::Entry<K, Arc<Loaded<T>>>>| {
            let is_newer = kept.is_some_and(|kept| newer(kept.value()));
            std::future::ready(if is_newer { Op::Nop } else { Op::Put(Arc::clone(&loaded)) })
        };
        self.entries.entry(key).and_compute_with(decide).await;
    }

    /// Whatever is kept of this key is out of date.
    pub(crate) async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
        if let Some(recent) = &self.recent {
            recent.forget(key);
        }
    }

    /// Looks and removes in one: another request may have put a newer value there since.
    async fn remove_unless(&self, key: &K, holds: &impl Fn(&Stamp) -> bool) {
        let outdated = |kept: &Arc<Loaded<T>>| !holds(&kept.stamp);
        if self.entry(key).await.as_ref().is_some_and(outdated) {
            let decide = |kept: Option<moka::Entry<K, Arc<Loaded<T>>>>| {
                let is_outdated = kept.is_some_and(|kept| outdated(kept.value()));
                std::future::ready(if is_outdated { Op::Remove } else { Op::Nop })
            };
            self.entries.entry_by_ref(key).and_compute_with(decide).await;
        }
    }
}

struct Jittered {
    ttl: Duration,
}

impl Jittered {
    /// 90 to 100 % of the TTL; the id is as good as random.
    fn of(&self, key: &AggregateId) -> Duration {
        let part = key.bytes().last().map_or(0, |&byte| u32::from(byte));
        self.ttl.saturating_sub(self.ttl / 10 * part / 255)
    }
}

impl Expiry<AggregateId, Arc<Loaded<Entry>>> for Jittered {
    fn expire_after_create(&self, key: &AggregateId, _: &Arc<Loaded<Entry>>, _: Instant) -> Option<Duration> {
        Some(self.of(key))
    }

    fn expire_after_update(
        &self,
        key: &AggregateId,
        _: &Arc<Loaded<Entry>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(key))
    }
}

#[cfg(test)]
mod tests;
