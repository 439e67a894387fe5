//! What was found a moment ago, for who asks for it again: one look at a place of a table, where moka looks at several and
//! writes down that it did: 8 % of query-service's time for a read (docs/PERFORMANCE.md).
//!
//! It keeps nothing alive. After a moment each find comes from moka again, which so learns what is asked for.

use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::source::Loaded;

/// 2^16 places are 4 MiB: of the finds of 10,000 keys, one in fourteen is displaced by another.
const MOST_PLACES: u64 = 1 << 16;

/// Finds by key.
pub(super) struct Recent<K, T> {
    places: Box<[Mutex<Place<K, T>>]>,
    hasher: RandomState,
    moment: Duration,
}

struct Place<K, T> {
    find: Option<Find<K, T>>,
    /// How often something was forgotten here.
    forgotten: Forgotten,
}

struct Find<K, T> {
    key: K,
    until: Instant,
    value: Weak<Loaded<T>>,
}

/// Of a place, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Forgotten(u64);

impl<K: Hash + Eq + Clone, T> Recent<K, T> {
    /// For at most about so many keys, each for a `moment`.
    pub(super) fn new(keys: u64, moment: Duration) -> Self {
        let places = 0..keys.min(MOST_PLACES).next_power_of_two();
        let place = |_| Mutex::new(Place { find: None, forgotten: Forgotten::default() });
        Self { places: places.map(place).collect(), hasher: RandomState::default(), moment }
    }

    /// What was found of this key, and what [`Recent::found`] takes. Nothing at all if somebody else is at its place:
    /// waiting takes longer than moka.
    pub(super) fn find(&self, key: &K) -> Option<(Option<Arc<Loaded<T>>>, Forgotten)> {
        let place = self.unless_taken(key)?;
        let find = place.find.as_ref().filter(|find| find.key == *key && Instant::now() < find.until);
        Some((find.and_then(|find| find.value.upgrade()), place.forgotten))
    }

    /// This was found elsewhere, after `find` gave `forgotten`. Not noted if it may have been forgotten since.
    pub(super) fn found(&self, key: &K, value: &Arc<Loaded<T>>, forgotten: Forgotten) {
        let Some(mut place) = self.unless_taken(key) else { return };
        if place.forgotten == forgotten {
            let until = Instant::now() + self.moment;
            place.find = Some(Find { key: key.clone(), until, value: Arc::downgrade(value) });
        }
    }

    /// Not to be found any more, after it was forgotten elsewhere.
    pub(super) fn forget(&self, key: &K) {
        let mut place = self.place(key).lock().unwrap_or_else(PoisonError::into_inner);
        *place = Place { find: None, forgotten: Forgotten(place.forgotten.0 + 1) };
    }

    fn place(&self, key: &K) -> &Mutex<Place<K, T>> {
        let hash = self.hasher.hash_one(key);
        let mask = self.places.len() - 1;
        &self.places[usize::try_from(hash & mask as u64).expect("less than there are places")]
    }

    fn unless_taken(&self, key: &K) -> Option<MutexGuard<'_, Place<K, T>>> {
        match self.place(key).try_lock() {
            Ok(place) => Some(place),
            Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Stamp;

    const LONG: Duration = Duration::from_mins(1);

    fn value(sequence: u64) -> Arc<Loaded<()>> {
        Arc::new(Loaded { stamp: Stamp { sequence, began: Instant::now() }, value: () })
    }

    fn sequence_at(recent: &Recent<u32, ()>, key: u32) -> Option<u64> {
        recent.find(&key).unwrap().0.map(|found| found.stamp.sequence)
    }

    fn found(recent: &Recent<u32, ()>, key: u32, value: &Arc<Loaded<()>>) {
        recent.found(&key, value, recent.find(&key).unwrap().1);
    }

    #[test]
    fn what_was_found_is_found_for_a_moment_and_only_while_somebody_keeps_it() {
        let (recent, five) = (Recent::new(8, LONG), value(5));
        found(&recent, 1, &five);
        assert_eq!(sequence_at(&recent, 1), Some(5));
        drop(five);
        assert_eq!(sequence_at(&recent, 1), None);
        let (recent, five) = (Recent::new(8, Duration::ZERO), value(5));
        found(&recent, 1, &five);
        assert_eq!(sequence_at(&recent, 1), None);
    }

    #[test]
    fn keys_at_one_place_displace_each_other_and_are_not_taken_for_each_other() {
        let (recent, five, six) = (Recent::new(1, LONG), value(5), value(6));
        found(&recent, 1, &five);
        assert_eq!(sequence_at(&recent, 2), None);
        found(&recent, 2, &six);
        assert_eq!((sequence_at(&recent, 1), sequence_at(&recent, 2)), (None, Some(6)));
    }

    #[test]
    fn what_was_forgotten_while_it_was_looked_for_elsewhere_is_not_noted() {
        let (recent, five) = (Recent::new(8, LONG), value(5));
        let (_, forgotten) = recent.find(&1).unwrap();
        recent.forget(&1);
        recent.found(&1, &five, forgotten);
        assert_eq!(sequence_at(&recent, 1), None);
        found(&recent, 1, &five);
        recent.forget(&1);
        assert_eq!(sequence_at(&recent, 1), None);
    }

    #[test]
    fn nobody_waits_for_a_place() {
        let (recent, five) = (Recent::new(1, LONG), value(5));
        let taken = recent.places[0].lock().unwrap();
        assert!(recent.find(&1).is_none());
        recent.found(&1, &five, Forgotten::default());
        drop(taken);
        assert_eq!(sequence_at(&recent, 1), None);
    }
}
