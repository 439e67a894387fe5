//! What a list is filtered by, as ranges of members and as texts in the facets of an item.

use redis::ScriptInvocation;
use shared::price::Price;
use shared::read_model::{Facet, SEPARATOR};

use crate::query::lists::{ListFilter, PriceRange};

/// A facet that is asked for, as `filters.lua` takes it.
#[derive(Debug, PartialEq, Eq)]
struct FacetAsked {
    /// Where its members begin and end.
    bounds: [Vec<u8>; 2],
    /// What is in the facets of an item that has it.
    text: String,
    /// Which numbers may follow there.
    numbers: Option<[i64; 2]>,
}

impl FacetAsked {
    /// What begins with this text.
    fn beginning(text: &str) -> Self {
        let bounds = [["[", text].concat().into_bytes(), [b"(", text.as_bytes(), b"\xff"].concat()];
        Self { bounds, text: format!("{SEPARATOR}{text}"), numbers: None }
    }

    fn exactly(facet: Facet<'_>) -> Self {
        Self::beginning(&format!("{facet}{SEPARATOR}"))
    }

    fn price(range: &PriceRange) -> Self {
        let of = |amount_minor| Price { amount_minor, currency: range.currency };
        let [least, greatest] = [range.min, range.max].map(|amount| Facet::Price(of(amount)).to_string());
        let digits = least.rfind(' ').map_or(0, |blank| blank + 1);
        let bounds = [format!("[{least}").into_bytes(), [b"(", greatest.as_bytes(), b"\n\xff"].concat()];
        let text = format!("{SEPARATOR}{}", &least[..digits]);
        Self { bounds, text, numbers: Some([range.min.minor(), range.max.minor()]) }
    }
}

impl ListFilter {
    fn facets(&self) -> Vec<FacetAsked> {
        let mut asked = Vec::new();
        asked.extend(self.category.as_ref().map(|category| FacetAsked::exactly(Facet::Category(category))));
        asked.extend(match (&self.store, self.in_stock) {
            (Some(store), Some(is)) => Some(FacetAsked::exactly(Facet::Level(store.as_str(), is))),
            (Some(store), None) => {
                let either = Facet::Level(store.as_str(), true).to_string();
                Some(FacetAsked::beginning(&either[..either.len() - 1]))
            }
            (None, Some(is)) => Some(FacetAsked::exactly(Facet::Available(is))),
            (None, None) => None,
        });
        asked.extend(self.price.as_ref().map(FacetAsked::price));
        asked
    }

    /// Appends what `filters.lua` takes.
    pub(super) fn write(&self, invocation: &mut ScriptInvocation<'_>) {
        let facets = self.facets();
        invocation.arg(self.prefix.as_deref().unwrap_or_default()).arg(facets.len());
        for FacetAsked { bounds: [low, high], text, numbers } in &facets {
            let [least, greatest] = numbers.map_or([const { String::new() }; 2], |both| both.map(|n| n.to_string()));
            invocation.arg(low).arg(high).arg(text).arg(least).arg(greatest);
        }
    }

    /// How many conditions there are.
    pub(super) fn count(&self) -> usize {
        usize::from(self.prefix.is_some()) + self.facets().len()
    }

    /// No term has a control character, and the separator in the indexes is one.
    pub(super) fn is_unmatchable(&self) -> bool {
        self.prefix.as_ref().is_some_and(|prefix| prefix.contains(SEPARATOR))
    }
}

#[cfg(test)]
mod tests {
    use shared::price::{AmountMinor, Currency};
    use shared::text::StoreId;

    use super::*;

    #[test]
    fn what_is_asked_of_items_is_a_range_of_members_and_a_text_in_their_facets() {
        let asked = |filter: ListFilter| filter.facets().pop().expect("one");
        let of = |low: &str, high: &str, text: &str, numbers| FacetAsked {
            bounds: [low.as_bytes().to_vec(), [high.as_bytes(), b"\xff"].concat()],
            text: text.to_owned(),
            numbers,
        };
        let category = ListFilter { category: Some("Home".to_owned()), ..ListFilter::default() };
        assert_eq!(asked(category), of("[cHome\n", "(cHome\n", "\ncHome\n", None));
        let store = ListFilter { store: Some(StoreId::main()), ..ListFilter::default() };
        assert_eq!(asked(store.clone()), of("[smain ", "(smain ", "\nsmain ", None));
        let there = ListFilter { in_stock: Some(false), ..store };
        assert_eq!(asked(there), of("[smain 0\n", "(smain 0\n", "\nsmain 0\n", None));
        let anywhere = ListFilter { in_stock: Some(true), ..ListFilter::default() };
        assert_eq!(asked(anywhere), of("[a1\n", "(a1\n", "\na1\n", None));
        let [min, max] = [5, 70].map(|amount| AmountMinor::parse(amount).expect("an amount"));
        let price = Some(PriceRange { currency: Currency::parse("EUR").expect("a currency"), min, max });
        let (low, high) = ("[pEUR 0000000000005", "(pEUR 0000000000070\n");
        assert_eq!(asked(ListFilter { price, ..ListFilter::default() }), of(low, high, "\npEUR ", Some([5, 70])));
    }
}
