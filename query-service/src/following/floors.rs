//! Below which sequence a document of a key is out of date.
//!
//! A fixed array, indexed by a hash of the key: bounded, and without locks. Two keys in one slot share the higher
//! floor, which costs one load more and never shows anything old.

use std::sync::atomic::{AtomicU64, Ordering};

use shared::id::ItemId;

/// 2^18 slots are 2 MiB: with a hundred thousand items in memory, a write invalidates 0.4 of another one.
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

    /// Documents of `item` that were read before `sequence` are out of date.
    pub(crate) fn raise(&self, item: ItemId, sequence: u64) {
        self.slots[slot(item)].fetch_max(sequence, Ordering::AcqRel);
    }

    /// All documents that were read before `sequence` are.
    pub(crate) fn raise_all(&self, sequence: u64) {
        self.all.fetch_max(sequence, Ordering::AcqRel);
    }

    /// The floor of `item`.
    pub(crate) fn of(&self, item: ItemId) -> u64 {
        self.slots[slot(item)].load(Ordering::Acquire).max(self.all.load(Ordering::Acquire))
    }
}

fn slot(item: ItemId) -> usize {
    // Fibonacci hashing: the high bits of the product depend on every bit of the id.
    let (high, low) = item.uuid().as_u64_pair();
    let hash = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> (u64::BITS - SLOT_BITS)).expect("18 bits fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_only_rises() {
        let (floors, item) = (Floors::new(), ItemId::from_uuid(uuid::Uuid::from_u128(7)));
        floors.raise(item, 5);
        floors.raise(item, 3);
        assert_eq!(floors.of(item), 5);
        floors.raise_all(9);
        assert_eq!(floors.of(item), 9);
        assert_eq!(floors.of(ItemId::from_uuid(uuid::Uuid::from_u128(8))), 9);
    }
}
