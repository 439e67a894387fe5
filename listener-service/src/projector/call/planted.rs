//! The planted fault `older-document`: as if a batch could carry what was read before the last one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use shared::id::ItemId;
use shared::read_model::{StoreAsOf, StoredItem, StoredReservation};

use super::{Documents, Item};
use crate::failpoints::is_turn;

/// The last document of each item, and how often one has followed another.
static WRITTEN: Mutex<Option<(HashMap<ItemId, StoredItem>, u64)>> = Mutex::new(None);

/// Some items are as they were in the batch before.
pub(super) fn documents(items: &[StoredItem], reservations: &[StoredReservation], stores: &[StoreAsOf]) -> Documents {
    let items = items.iter().map(|item| Item::of(&as_it_may_have_been(item))).collect();
    Documents { items, ..Documents::of(&[], reservations, stores) }
}

fn as_it_may_have_been(item: &StoredItem) -> StoredItem {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (last, followed) = written.get_or_insert_default();
    let before = last.insert(item.id, item.clone());
    *followed += u64::from(before.is_some());
    before.filter(|_| is_turn(*followed)).unwrap_or_else(|| item.clone())
}
