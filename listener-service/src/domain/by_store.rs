//! What an item has at each store: few of them, and many items.

use shared::text::StoreId;

/// Values by store, in the order of the stores. A search tree would take ten times the room for the one or two that there
/// mostly are, and the writer remembers tens of thousands of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByStore<T>(Vec<(StoreId, T)>);

impl<T> ByStore<T> {
    /// At this store.
    pub fn get(&self, store: &StoreId) -> Option<&T> {
        self.place(store).ok().map(|place| &self.0[place].1)
    }

    /// What was there before, if anything was.
    pub fn insert(&mut self, store: StoreId, value: T) -> Option<T> {
        match self.place(&store) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                if self.0.len() == self.0.capacity() {
                    // By itself the first would make room for four.
                    self.0.reserve_exact(self.0.len().max(1));
                }
                self.0.insert(place, (store, value));
                None
            }
        }
    }

    /// How many stores.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing at any store.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each store with what is there.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreId, &T)> + Clone {
        self.0.iter().map(|(store, value)| (store, value))
    }

    fn place(&self, store: &StoreId) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(store))
    }
}

impl<T> Default for ByStore<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_has_its_own_value_whatever_the_order_in_which_they_came() {
        let store = |name: &str| StoreId::parse(name).expect("a store");
        let mut values = ByStore::default();
        for (name, value) in [("munich", 1), ("berlin", 2), ("paris", 3), ("lyon", 4)] {
            assert_eq!(values.insert(store(name), value), None);
        }
        assert_eq!(values.insert(store("berlin"), 5), Some(2));
        let all: Vec<_> = values.iter().map(|(store, value)| (store.to_string(), *value)).collect();
        let expected = [("berlin", 5), ("lyon", 4), ("munich", 1), ("paris", 3)];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!((values.get(&store("lyon")), values.get(&store("rome")), values.len()), (Some(&4), None, 4));
    }
}
