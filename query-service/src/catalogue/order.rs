//! Rows in one order, in chunks: any place in it is found, and a row is put in or taken out, without passing all others.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Row;
use crate::query::lists::{Sort, SortKey};

/// About how many rows a chunk has; twice as many are split.
const CHUNK: usize = 512;

/// All rows, in the order of `sort`.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) sort: Sort,
    chunks: Vec<Vec<Arc<Row>>>,
}

impl Order {
    /// Sorts the rows.
    pub(super) fn of(sort: Sort, mut rows: Vec<Arc<Row>>) -> Self {
        rows.sort_unstable_by(|a, b| sort.compare(a, b));
        Self { sort, chunks: rows.chunks(CHUNK).map(<[Arc<Row>]>::to_vec).collect() }
    }

    /// Puts a row in its place.
    pub(super) fn put(&mut self, row: Arc<Row>) {
        let Some((chunk, place)) = self.place(&row) else { return self.chunks.push(vec![row]) };
        let (Ok(place) | Err(place)) = place;
        let rows = &mut self.chunks[chunk];
        rows.insert(place, row);
        if rows.len() >= 2 * CHUNK {
            let rest = rows.split_off(CHUNK);
            self.chunks.insert(chunk + 1, rest);
        }
    }

    /// Takes a row out that is there.
    pub(super) fn take(&mut self, row: &Row) {
        if let Some((chunk, Ok(place))) = self.place(row) {
            self.chunks[chunk].remove(place);
            if self.chunks[chunk].is_empty() {
                self.chunks.remove(chunk);
            }
        }
    }

    /// At most `count` rows after the first `passed`.
    pub(super) fn page(&self, mut passed: usize, count: usize) -> impl Iterator<Item = &Arc<Row>> {
        let mut first = self.chunks.len();
        for (index, chunk) in self.chunks.iter().enumerate() {
            if passed < chunk.len() {
                first = index;
                break;
            }
            passed -= chunk.len();
        }
        self.chunks[first..].iter().flatten().skip(passed).take(count)
    }

    /// The chunk where a row belongs, and where it is or would be in that; none if there are no rows.
    fn place(&self, row: &Row) -> Option<(usize, Result<usize, usize>)> {
        let last = self.chunks.len().checked_sub(1)?;
        let is_before =
            |chunk: &Vec<Arc<Row>>| chunk.last().is_some_and(|last| self.sort.compare(last, row) == Ordering::Less);
        let chunk = self.chunks.partition_point(is_before).min(last);
        Some((chunk, self.chunks[chunk].binary_search_by(|other| self.sort.compare(other, row))))
    }
}

impl Sort {
    /// By code point, ties by SKU.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let by_key = match self.key {
            SortKey::Sku => a.sku.cmp(&b.sku),
            SortKey::Name => a.name.cmp(&b.name),
            SortKey::Available => a.available.cmp(&b.available),
            SortKey::UpdatedAt => a.updated_at.cmp(&b.updated_at),
        };
        let by_key = if self.is_descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| a.sku.cmp(&b.sku))
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;

    use super::*;

    fn row(number: i64) -> Arc<Row> {
        let sku = format!("{number:05}");
        let updated_at = Timestamp::from_millis(0);
        Arc::new(Row { sku: sku.into(), name: "n".into(), available: number % 7, updated_at, shown: "".into() })
    }

    fn skus(order: &Order, passed: usize, count: usize) -> Vec<&str> {
        order.page(passed, count).map(|row| &*row.sku).collect()
    }

    #[test]
    fn an_order_that_was_changed_row_by_row_is_the_one_that_was_sorted_at_once() {
        let rows: Vec<_> = (0..5000).map(row).collect();
        for (key, is_descending) in [(SortKey::Available, false), (SortKey::Available, true), (SortKey::Sku, true)] {
            let sort = Sort { key, is_descending };
            let mut order = Order::of(sort, Vec::new());
            for step in 0..rows.len() {
                order.put(Arc::clone(&rows[step * 2377 % rows.len()]));
            }
            rows.iter().step_by(3).for_each(|row| order.take(row));
            let kept = rows.iter().enumerate().filter(|(index, _)| index % 3 != 0).map(|(_, row)| Arc::clone(row));
            let sorted = Order::of(sort, kept.collect());
            assert_eq!(skus(&order, 0, 5000), skus(&sorted, 0, 5000), "{sort:?}");
            assert_eq!(skus(&order, 2500, 20), skus(&sorted, 0, 5000)[2500..2520], "{sort:?}");
            assert_eq!(skus(&order, 5000, 20), [""; 0]);
            sorted.page(0, 5000).for_each(|row| order.take(row));
            assert_eq!(skus(&order, 0, 1), [""; 0]);
        }
    }
}
