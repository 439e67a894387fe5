//! A page of the catalogue: which items, in which order, and of how many.
//!
//! Sorting by SKU and by name follows an index; the other orders look at every item that matches and keep the best.

mod full_text;

use rusqlite::Connection;
use rusqlite::types::Value;
use shared::id::ItemId;
use shared::price::{AmountMinor, Currency};
use shared::text::StoreId;

pub(crate) use full_text::FullText;

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
    pub(crate) filter: ListFilter,
}

impl ListRequest {
    /// How many items are before the page.
    pub(crate) fn passed_over(&self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.page_size)
    }
}

/// Which items are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ListFilter {
    /// What a term must begin with (`shared::search::prefix`).
    pub(crate) prefix: Option<String>,
    pub(crate) category: Option<String>,
    /// There must be a level at this store.
    pub(crate) store: Option<StoreId>,
    /// Whether something is available: at the store, or without one anywhere.
    pub(crate) in_stock: Option<bool>,
    pub(crate) price: Option<PriceRange>,
    pub(crate) search: Option<FullText>,
}

/// Prices in one currency, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PriceRange {
    pub(crate) currency: Currency,
    pub(crate) min: AmountMinor,
    pub(crate) max: AmountMinor,
}

impl Sort {
    /// Every one.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let keys = [SortKey::Sku, SortKey::Name, SortKey::Available, SortKey::UpdatedAt];
        keys.into_iter().flat_map(|key| [false, true].map(|is_descending| Self { key, is_descending }))
    }
}

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

/// Conditions on `items i`, and the values of their parameters in order.
#[derive(Debug, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

impl ListFilter {
    fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        if let Some(prefix) = &self.prefix {
            let terms = "i.item_id IN (SELECT t.item_id FROM item_terms t WHERE t.term >= ? AND t.term < ?)";
            all.and(terms, [prefix.clone().into(), after_all_with(prefix).into()]);
        }
        if let Some(category) = &self.category {
            all.and("i.category = ?", [category.clone().into()]);
        }
        if let Some(PriceRange { currency, min, max }) = &self.price {
            let values = [currency.code().to_owned().into(), min.minor().into(), max.minor().into()];
            all.and("i.currency = ? AND i.price_minor BETWEEN ? AND ?", values);
        }
        let at = "i.item_id IN (SELECT l.item_id FROM stock_levels l WHERE l.store_id = ?";
        let of = "(SELECT 1 FROM stock_levels l WHERE l.item_id = i.item_id AND l.quantity > l.reserved)";
        match (&self.store, self.in_stock) {
            (Some(store), None) => all.and(&format!("{at})"), [id_of(store)]),
            (Some(store), Some(is)) => {
                all.and(&format!("{at} AND (l.quantity > l.reserved) = ?)"), [id_of(store), is.into()]);
            }
            (None, Some(true)) => all.and(&format!("EXISTS {of}"), []),
            (None, Some(false)) => all.and(&format!("NOT EXISTS {of}"), []),
            (None, None) => {}
        }
        if let Some(search) = &self.search {
            all.and("i.number IN (SELECT rowid FROM item_search WHERE item_search MATCH ?)", [search.query().into()]);
        }
        all
    }

    /// Nothing can match, and the index of full text has no word for nothing.
    fn matches_nothing(&self) -> bool {
        self.search.as_ref().is_some_and(FullText::is_empty)
    }
}

fn id_of(store: &StoreId) -> Value {
    store.as_str().to_owned().into()
}

impl ListRequest {
    fn page_statement(&self, conditions: &Conditions) -> String {
        let direction = if self.sort.is_descending { "DESC" } else { "ASC" };
        let tie = if self.sort.key == SortKey::Sku { "" } else { ", i.sku" };
        // SQLite would rather read all names from their index and sort by SKU than follow the order of the SKUs; with the
        // sign, the index of names, which has live items only, is out of the question.
        let filter = &self.filter;
        let has_index = filter.category.is_some() || filter.price.is_some();
        let live = if self.sort.key == SortKey::Sku && !has_index { "+i.deleted" } else { "i.deleted" };
        format!(
            "SELECT i.item_id FROM items i WHERE {live} = 0{} ORDER BY {} {direction}{tie} LIMIT ? OFFSET ?",
            conditions.sql,
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
    if request.filter.matches_nothing() {
        return Ok(Vec::new());
    }
    let conditions = request.filter.conditions();
    let mut statement = connection.prepare_cached(&request.page_statement(&conditions))?;
    let mut parameters = conditions.values;
    parameters.push(i64::from(request.page_size).into());
    parameters.push(i64::try_from(request.passed_over()).expect("a page is short").into());
    let ids = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
        Ok(id(row, "item_id")?.expect("item_id is NOT NULL"))
    })?;
    ids.collect()
}

/// How many items match.
pub(crate) fn total(connection: &Connection, request: &ListRequest) -> rusqlite::Result<u64> {
    if request.filter.matches_nothing() {
        return Ok(0);
    }
    let Conditions { sql, values } = request.filter.conditions();
    let statement = format!("SELECT count(*) AS total FROM items i WHERE i.deleted = 0{sql}");
    let parameters = rusqlite::params_from_iter(values);
    connection.prepare_cached(&statement)?.query_row(parameters, |row| counter(row, "total"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema;

    fn plan(key: SortKey, is_descending: bool, filter: ListFilter) -> String {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection);
        let request = ListRequest { page: 1, page_size: 20, sort: Sort { key, is_descending }, filter };
        schema::plan(&connection, &request.page_statement(&request.filter.conditions()))
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
            let plan = plan(key, is_descending, ListFilter::default());
            assert!(!plan.contains("TEMP B-TREE"), "{key:?}: {plan}");
        }
    }
    #[test]
    fn a_category_a_price_and_words_are_found_by_an_index_and_levels_by_their_key() {
        let category = ListFilter { category: Some("c".to_owned()), ..ListFilter::default() };
        let by_category = plan(SortKey::Sku, false, category);
        assert!(by_category.contains("items_by_category (category=?)"), "{by_category}");
        assert!(!by_category.contains("TEMP B-TREE"), "{by_category}");
        let amount = |minor| AmountMinor::parse(minor).unwrap();
        let range = PriceRange { currency: Currency::parse("EUR").unwrap(), min: amount(1), max: amount(2) };
        let by_price = plan(SortKey::Sku, false, ListFilter { price: Some(range), ..ListFilter::default() });
        assert!(by_price.contains("items_by_price (currency=? AND price_minor>? AND price_minor<?)"), "{by_price}");
        let words = ListFilter { search: Some(FullText::of("usb")), ..ListFilter::default() };
        let by_words = plan(SortKey::Available, false, words);
        assert!(by_words.contains("items_by_number (number=?)"), "{by_words}");
        for in_stock in [None, Some(true), Some(false)] {
            let anywhere = plan(SortKey::Sku, false, ListFilter { in_stock, ..ListFilter::default() });
            assert!(!anywhere.contains("SCAN l") && !anywhere.contains("TEMP B-TREE"), "{anywhere}");
            let store = Some(StoreId::main());
            let at_store = plan(SortKey::Sku, false, ListFilter { store, in_stock, ..ListFilter::default() });
            assert!(at_store.contains("stock_levels_by_store (store_id=?)"), "{at_store}");
            assert!(!at_store.contains("SCAN"), "few items may be there: {at_store}");
        }
    }
}
