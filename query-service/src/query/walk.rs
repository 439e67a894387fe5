//! A walk along what can be in an answer, the newest first: it ends with a full page, with the last candidate, or when it
//! has looked at as many as one request may, and says where to go on.

use std::ops::ControlFlow;

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Rows on a page.
    pub(crate) limit: usize,
    /// Rows to look at.
    pub(crate) most: usize,
}

/// A page, and the sequence from which the next one goes down; none after the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<u64>,
}

/// A walk under way.
#[derive(Debug)]
pub(crate) struct Walk<T> {
    bounds: Bounds,
    looked: usize,
    page: Page<T>,
}

impl<T> Walk<T> {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self { bounds, looked: 0, page: Page { rows: Vec::new(), next: None } }
    }

    /// The next candidate, and where it stands; `None` if it does not match. Says whether to go on.
    pub(crate) fn see(&mut self, sequence: u64, row: Option<T>) -> ControlFlow<()> {
        if row.is_some() && self.page.rows.len() == self.bounds.limit {
            self.page.next = Some(sequence);
            return ControlFlow::Break(());
        }
        self.page.rows.extend(row);
        self.looked += 1;
        if self.looked == self.bounds.most {
            self.page.next = sequence.checked_sub(1);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn end(self) -> Page<T> {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(candidates: &[(u64, bool)], limit: usize, most: usize) -> Page<u64> {
        let mut walk = Walk::new(Bounds { limit, most });
        let mut candidates = candidates.iter();
        while let Some(&(sequence, matches)) = candidates.next()
            && walk.see(sequence, matches.then_some(sequence)).is_continue()
        {}
        walk.end()
    }

    #[test]
    fn a_page_that_is_full_has_a_next_one_only_if_something_else_matches() {
        assert_eq!(walk(&[(9, true), (8, true)], 2, 99), Page { rows: vec![9, 8], next: None });
        assert_eq!(walk(&[(9, true), (8, true), (7, false)], 2, 99), Page { rows: vec![9, 8], next: None });
        let page = walk(&[(9, true), (8, true), (7, false), (5, true)], 2, 99);
        assert_eq!(page, Page { rows: vec![9, 8], next: Some(5) });
    }

    #[test]
    fn a_walk_that_has_looked_at_enough_goes_on_below_where_it_stood() {
        assert_eq!(walk(&[(9, true), (8, false), (5, true)], 2, 2), Page { rows: vec![9], next: Some(7) });
        assert_eq!(walk(&[(9, false), (8, false)], 2, 2), Page { rows: vec![], next: Some(7) });
    }
}
