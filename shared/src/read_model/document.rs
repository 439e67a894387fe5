//! An item as it is stored. What clients are shown of it stands there as it is sent, so that whoever answers from it
//! copies bytes and reads nothing else.
//!
//! Three lines; JSON without white space has no line breaks of its own. The first has the sequence as of which it is the
//! item, a blank, and the tag. The second is [`ItemView`], the third what that does not show.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{StoredItem, StoredLevel};
use crate::clock::Timestamp;
use crate::etag::ETag;
use crate::id::ItemId;
use crate::price::Price;

/// An item, its stock summed over all stores.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Item)]
pub struct ItemView<'a> {
    /// UUIDv5 of the SKU.
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    id: ItemId,
    #[schema(example = "PROD-001")]
    sku: &'a str,
    #[schema(example = "USB-C cable 2 m")]
    name: &'a str,
    /// `null` if there is none.
    #[schema(required, example = "Braided, 100 W")]
    description: Option<&'a str>,
    /// What kind of thing it is; `null` if nobody said.
    #[schema(required, example = "cables")]
    category: Option<&'a str>,
    /// What one unit costs; `null` if nobody said.
    #[schema(required)]
    price: Option<PriceView>,
    /// A level of it is low when no more than this is available, unless it has a threshold of its own; `null` if there
    /// is none.
    #[schema(required, minimum = 0, example = 5)]
    low_stock_threshold: Option<i64>,
    /// Units on hand, reserved ones included.
    #[schema(minimum = 0, example = 100)]
    quantity: i64,
    /// Units held back from sale.
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    /// `quantity` minus `reserved`.
    #[schema(minimum = 0, example = 95)]
    available: i64,
    /// Of the catalogue data; goes up by one with each change.
    #[schema(minimum = 1, example = 1)]
    version: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    created_at: Timestamp,
    /// When the catalogue data or any stock level changed last.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    updated_at: Timestamp,
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Price)]
struct PriceView {
    /// In the minor unit of the currency, cents say.
    #[schema(minimum = 0, maximum = 1_000_000_000_000i64, example = 1299)]
    amount_minor: i64,
    /// Of ISO 4217.
    #[schema(example = "EUR")]
    currency: &'static str,
}

/// What the second line has of the item itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: ItemId,
    sku: String,
    name: String,
    description: Option<String>,
    category: Option<String>,
    price: Option<Price>,
    low_stock_threshold: Option<i64>,
    version: u64,
    created_at: Timestamp,
}

/// The third line. `updatedAt` is that of the catalogue data alone.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hidden<L> {
    updated_at: Timestamp,
    levels: L,
}

/// The text is no item.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// It has not the three lines, or they do not begin with a sequence and a tag.
    #[error("the text of an item does not have its three lines")]
    Lines,
    /// One of the other lines is something else.
    #[error("the text of an item: {0}")]
    Json(#[from] serde_json::Error),
}

/// The text of an item, of which only the first line was read, and the id that the second begins with.
#[derive(Debug, Clone)]
pub struct ItemDocument {
    text: Bytes,
    id: ItemId,
    as_of: u64,
    etag: Range<usize>,
    shown: Range<usize>,
}

impl ItemDocument {
    /// Writes an item.
    pub fn write(item: &StoredItem) -> String {
        let shown = ItemView::write(item);
        let hidden = json(&Hidden { updated_at: item.updated_at, levels: &item.levels });
        format!("{} {}\n{shown}\n{hidden}", item.as_of, item.etag())
    }

    /// The text that is written of an item.
    pub fn of(item: &StoredItem) -> Self {
        Self::read(Self::write(item).into()).expect("it has three lines")
    }

    /// Reads the first line and finds the others.
    pub fn read(text: Bytes) -> Result<Self, InvalidDocument> {
        let position = |of: u8, from: usize| text[from..].iter().position(|&byte| byte == of).map(|at| from + at);
        let blank = position(b' ', 0).ok_or(InvalidDocument::Lines)?;
        let first = position(b'\n', blank).ok_or(InvalidDocument::Lines)?;
        let second = position(b'\n', first + 1).ok_or(InvalidDocument::Lines)?;
        let as_of = std::str::from_utf8(&text[..blank]).ok().and_then(|digits| digits.parse().ok());
        let as_of = as_of.ok_or(InvalidDocument::Lines)?;
        let id = id_of(&text[first + 1..second]).ok_or(InvalidDocument::Lines)?;
        if !text[blank + 1..first].iter().all(u8::is_ascii_graphic) {
            return Err(InvalidDocument::Lines);
        }
        Ok(Self { etag: blank + 1..first, shown: first + 1..second, text, id, as_of })
    }

    /// Whose text it is.
    pub const fn id(&self) -> ItemId {
        self.id
    }

    /// The journal sequence as of which this is the item.
    pub const fn as_of(&self) -> u64 {
        self.as_of
    }

    /// The tag of the item, with its quotes.
    pub fn etag(&self) -> Bytes {
        self.text.slice(self.etag.clone())
    }

    /// The item as clients see it: [`ItemView`] as JSON.
    pub fn shown(&self) -> Bytes {
        self.text.slice(self.shown.clone())
    }

    /// The same, for who copies it.
    pub fn shown_bytes(&self) -> &[u8] {
        &self.text[self.shown.clone()]
    }

    /// Reads all of it.
    pub fn item(&self) -> Result<StoredItem, InvalidDocument> {
        let shown: Shown = serde_json::from_slice(&self.text[self.shown.clone()])?;
        let hidden: Hidden<Vec<StoredLevel>> = serde_json::from_slice(&self.text[self.shown.end + 1..])?;
        Ok(StoredItem {
            id: shown.id,
            sku: shown.sku,
            name: shown.name,
            description: shown.description,
            version: shown.version,
            category: shown.category,
            price: shown.price,
            low_stock_threshold: shown.low_stock_threshold,
            created_at: shown.created_at,
            updated_at: hidden.updated_at,
            levels: hidden.levels,
            as_of: self.as_of,
        })
    }
}

/// What is shown of an item begins with its id.
fn id_of(shown: &[u8]) -> Option<ItemId> {
    let (id, _) = shown.strip_prefix(br#"{"id":""#)?.split_at_checked(uuid::fmt::Hyphenated::LENGTH)?;
    ItemId::parse(std::str::from_utf8(id).ok()?).ok()
}

impl StoredItem {
    fn etag(&self) -> ETag {
        ETag::Item { version: self.version, stock: self.levels.iter().map(|level| level.version).sum() }
    }
}

impl<'a> ItemView<'a> {
    /// The item as clients see it, as JSON.
    pub fn write(item: &StoredItem) -> String {
        json(&ItemView::of(item))
    }

    fn of(item: &'a StoredItem) -> Self {
        let (quantity, reserved) = (item.quantity(), item.reserved());
        Self {
            id: item.id,
            sku: &item.sku,
            name: &item.name,
            description: item.description.as_deref(),
            category: item.category.as_deref(),
            price: item.price.map(PriceView::of),
            low_stock_threshold: item.low_stock_threshold,
            quantity,
            reserved,
            available: quantity - reserved,
            version: item.version,
            created_at: item.created_at,
            updated_at: item.touched_at(),
        }
    }
}

impl PriceView {
    fn of(price: Price) -> Self {
        Self { amount_minor: price.amount_minor.minor(), currency: price.currency.code() }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text and numbers always serialise")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::price::{AmountMinor, Currency};

    fn item() -> StoredItem {
        let level = |store: &str, version, updated_at| StoredLevel {
            store_id: store.to_owned(),
            quantity: 5,
            reserved: 2,
            low_stock_threshold: Some(1),
            version,
            updated_at: Timestamp::from_millis(updated_at),
        };
        StoredItem {
            id: ItemId::from_uuid(Uuid::nil()),
            sku: "A".to_owned(),
            name: "two\nlines \"quoted\"".to_owned(),
            description: None,
            version: 3,
            category: Some("cables".to_owned()),
            price: Some(Price {
                amount_minor: AmountMinor::parse(1299).unwrap(),
                currency: Currency::parse("EUR").unwrap(),
            }),
            low_stock_threshold: None,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(2),
            levels: vec![level("main", 4, 9), level("shop", 3, 0)],
            as_of: 42,
        }
    }

    #[test]
    fn an_item_reads_back_from_its_text_and_is_there_as_it_is_sent() {
        let read = ItemDocument::of(&item());
        assert_eq!(read.item().expect("all of it"), item());
        assert_eq!((read.id(), read.as_of(), &*read.etag()), (item().id, 42, &b"\"i3-7\""[..]));
        let shown: serde_json::Value = serde_json::from_slice(&read.shown()).expect("JSON");
        assert_eq!(shown["updatedAt"], "1970-01-01T00:00:00.009Z", "of the last change of any kind");
        assert_eq!((&shown["quantity"], &shown["available"]), (&10.into(), &6.into()));
    }

    #[test]
    fn what_has_not_three_lines_is_no_item() {
        let id = r#"{"id":"00000000-0000-0000-0000-000000000000""#;
        for wrong in [
            "",
            "{}",
            "\n\n",
            "1 t\n{}\n{}",
            &format!("1 t\n{id}}}"),
            &format!("x t\n{id}}}\n{{}}"),
            &format!("1 \t\n{id}}}\n{{}}"),
        ] {
            assert!(ItemDocument::read(wrong.to_owned().into()).is_err(), "{wrong}");
        }
        let without_the_rest = ItemDocument::read(format!("1 t\n{id}}}\n{{}}").into()).expect("three lines");
        assert!(without_the_rest.item().is_err());
    }
}
