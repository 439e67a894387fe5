//! Below which sequence a document of a key is out of date.
//!
//! A fixed array, indexed by a hash of the key: bounded, and without locks. Two keys in one slot share the higher
//! floor, which costs one load more and never shows anything old.

use std::sync::atomic::{AtomicU64, Ordering};

use shared::aggregate::AggregateId;

/// 2^18 slots are 2 MiB: with a hundred thousand documents in memory, a write invalidates 0.4 of another one.
const SLOT_BITS: u32 = 18;

/// The floors of all keys.
#[derive(Debug)]
pub(crate) struct Floors {
    slots: Box<[AtomicU64]>,
    all: AtomicU64,
}

impl Floors {
    /// All at 0.
    pub(crate) fn new() -> Self {
        Self { slots: (0..1 << SLOT_BITS).map(|_| AtomicU64::new(0)).collect(), all: AtomicU64::new(0) }
    }

    /// Documents of `key` that were read before `sequence` are out of date.
    pub(crate) fn raise(&self, key: &AggregateId, sequence: u64) {
        self.slots[slot(key)].fetch_max(sequence, Ordering::AcqRel);
    }

    /// All documents that were read before `sequence` are.
    pub(crate) fn raise_all(&self, sequence: u64) {
        self.all.fetch_max(sequence, Ordering::AcqRel);
    }

    /// The floor of `key`.
    pub(crate) fn of(&self, key: &AggregateId) -> u64 {
        self.slots[slot(key)].load(Ordering::Acquire).max(self.all.load(Ordering::Acquire))
    }
}

fn slot(key: &AggregateId) -> usize {
    // Fibonacci hashing: the high bits of the product depend on every bit before.
    let hash = key.bytes().chunks(8).fold(key.kind().number().cast_unsigned(), |hash, chunk| {
        let word = chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    usize::try_from(hash >> (u64::BITS - SLOT_BITS)).expect("18 bits fit")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::id::Id;
    use shared::text::StoreId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_floor_only_rises() {
        let (floors, item) = (Floors::new(), AggregateId::Item(Id::from_uuid(Uuid::from_u128(7))));
        floors.raise(&item, 5);
        floors.raise(&item, 3);
        assert_eq!(floors.of(&item), 5);
        floors.raise_all(9);
        assert_eq!(floors.of(&item), 9);
        assert_eq!(floors.of(&AggregateId::Item(Id::from_uuid(Uuid::from_u128(8)))), 9);
    }

    #[test]
    fn keys_of_each_kind_are_spread_over_the_slots() {
        let uuids = (0..1000).map(Uuid::from_u128);
        let keys = uuids.flat_map(|uuid| {
            let store = StoreId::parse(&uuid.to_string()).unwrap();
            [
                AggregateId::Item(Id::from_uuid(uuid)),
                AggregateId::Reservation(Id::from_uuid(uuid)),
                AggregateId::Store(store),
            ]
        });
        let slots: HashSet<usize> = keys.map(|key| slot(&key)).collect();
        assert!(slots.len() > 2950, "{} slots", slots.len());
    }
}
