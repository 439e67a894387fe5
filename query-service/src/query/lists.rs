//! A page of the catalogue: which items, in which order, and of how many.
//!
//! Sorting by SKU and by name follows an index; the other orders look at every item that matches and keep the best.

use rusqlite::Connection;
use rusqlite::types::Value;
use shared::id::ItemId;

use super::{counter, id};

/// By what a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SortKey {
    Sku,
    Name,
    Available,
    UpdatedAt,
}

/// Ties are in the order of the SKU, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sort {
    pub(crate) key: SortKey,
    pub(crate) is_descending: bool,
}

/// One page of one list; pages are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ListRequest {
    pub(crate) page: u32,
    pub(crate) page_size: u32,
    pub(crate) sort: Sort,
    /// What a term must begin with (`shared::search::prefix`); `None` matches all.
    pub(crate) prefix: Option<String>,
}

const MATCHING: &str = "AND i.item_id IN (SELECT t.item_id FROM item_terms t WHERE t.term >= ?1 AND t.term < ?2)";

impl SortKey {
    const fn expression(self) -> &'static str {
        match self {
            Self::Sku => "i.sku",
            Self::Name => "i.name",
            Self::Available => {
                "(SELECT coalesce(sum(l.quantity - l.reserved), 0) FROM stock_levels l WHERE l.item_id = i.item_id)"
            }
            Self::UpdatedAt => {
                "max(i.updated_at, (SELECT coalesce(max(l.updated_at), 0) FROM stock_levels l WHERE l.item_id = i.item_id))"
            }
        }
    }
}

impl ListRequest {
    fn matching(&self) -> &'static str {
        if self.prefix.is_some() { MATCHING } else { "" }
    }

    /// The bounds of the terms that begin with the prefix.
    fn bounds(&self) -> Vec<Value> {
        let bounds = |prefix: &String| vec![prefix.clone().into(), after_all_with(prefix).into()];
        self.prefix.as_ref().map(bounds).unwrap_or_default()
    }

    fn page_statement(&self) -> String {
        let direction = if self.sort.is_descending { "DESC" } else { "ASC" };
        let tie = if self.sort.key == SortKey::Sku { "" } else { ", i.sku" };
        format!(
            "SELECT i.item_id FROM items i WHERE i.deleted = 0 {} ORDER BY {} {direction}{tie} LIMIT ? OFFSET ?",
            self.matching(),
            self.sort.key.expression(),
        )
    }
}

/// The first text, by code point, after all that begin with `prefix`. After those that begin with nothing but the last
/// character there is none; but that begins no term, for it is no letter.
fn after_all_with(prefix: &str) -> String {
    let kept = prefix.trim_end_matches(char::MAX);
    let mut after: Vec<char> = kept.chars().collect();
    match after.pop() {
        Some('\u{d7ff}') => after.push('\u{e000}'),
        Some(last) => after.extend(char::from_u32(u32::from(last) + 1)),
        None => after.push(char::MAX),
    }
    after.into_iter().collect()
}

/// The ids on the page, in order.
pub(crate) fn page(connection: &Connection, request: &ListRequest) -> rusqlite::Result<Vec<ItemId>> {
    let mut statement = connection.prepare_cached(&request.page_statement())?;
    let mut parameters = request.bounds();
    parameters.push(i64::from(request.page_size).into());
    parameters.push((i64::from(request.page - 1) * i64::from(request.page_size)).into());
    let ids = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
        Ok(id(row, "item_id")?.expect("item_id is NOT NULL"))
    })?;
    ids.collect()
}

/// How many items match.
pub(crate) fn total(connection: &Connection, request: &ListRequest) -> rusqlite::Result<u64> {
    let statement = format!("SELECT count(*) AS total FROM items i WHERE i.deleted = 0 {}", request.matching());
    let parameters = rusqlite::params_from_iter(request.bounds());
    connection.prepare_cached(&statement)?.query_row(parameters, |row| counter(row, "total"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(key: SortKey, is_descending: bool) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../listener-service/src/schema/0001_initial.sql")).unwrap();
        let request = ListRequest { page: 1, page_size: 20, sort: Sort { key, is_descending }, prefix: None };
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", request.page_statement())).unwrap();
        let steps = statement.query_map([20, 0], |row| row.get::<_, String>("detail")).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    #[test]
    fn the_bound_is_after_all_that_begin_with_the_prefix_and_before_all_others() {
        for (prefix, after) in [("pen", "peo"), ("pen\u{10ffff}", "peo"), ("a\u{d7ff}", "a\u{e000}"), ("é", "ê")] {
            assert_eq!(after_all_with(prefix), after);
        }
    }

    #[test]
    fn sorting_by_sku_and_by_name_follows_an_index() {
        for (key, is_descending) in [(SortKey::Sku, false), (SortKey::Sku, true), (SortKey::Name, false)] {
            let plan = plan(key, is_descending);
            assert!(!plan.contains("TEMP B-TREE"), "{key:?}: {plan}");
        }
    }
}
