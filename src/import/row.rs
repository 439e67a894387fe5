//! One row: its cells, checked as command-service would check them, so that nothing wrong is sent.

use std::fmt::Display;

use csv::StringRecord;
use shared::message::CatalogueFields;
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::Quantity;
use shared::text::{Category, Description, Name, Sku};

use super::report::{FailedRow, Failure};

/// Every column that there can be.
pub(super) const COLUMNS: [&str; 8] =
    ["sku", "name", "description", "category", "price", "currency", "lowStockThreshold", "quantity"];
/// Those that must be there.
pub(super) const REQUIRED: [&str; 2] = ["sku", "name"];

/// An item as the file has it.
#[derive(Debug)]
pub(super) struct Row {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// Its SKU.
    pub sku: Sku,
    /// What the catalogue is to say of it.
    pub fields: CatalogueFields,
    /// Units at the store, if the file says so.
    pub quantity: Option<Quantity>,
}

impl Row {
    /// Every fault at once.
    pub(super) fn read(line: u64, columns: &[&str], record: &StringRecord) -> Result<Self, FailedRow> {
        if record.len() != columns.len() {
            let detail = format!("has {} cells, the header has {}", record.len(), columns.len());
            // Nobody knows which cell is which.
            return Err(FailedRow { sku: None, failure: Failure::invalid(detail) });
        }
        let mut cells = Cells { columns, record, faults: Vec::new() };
        let row = cells.row(line);
        row.filter(|_| cells.faults.is_empty()).ok_or_else(|| FailedRow {
            sku: cells.cell("sku").and_then(|sku| Sku::parse(sku).ok()),
            failure: Failure::invalid(cells.faults.join("; ")),
        })
    }
}

struct Cells<'a> {
    columns: &'a [&'a str],
    record: &'a StringRecord,
    faults: Vec<String>,
}

impl Cells<'_> {
    fn row(&mut self, line: u64) -> Option<Row> {
        let sku = self.required("sku", Sku::parse);
        let name = self.required("name", Name::parse);
        let description = self.optional("description", Description::parse);
        let category = self.optional("category", Category::parse);
        let price = self.price();
        let low_stock_threshold = self.optional("lowStockThreshold", whole(Quantity::parse));
        let quantity = self.optional("quantity", whole(Quantity::parse));
        let fields = CatalogueFields { name: name?, description, category, price, low_stock_threshold };
        Some(Row { line, sku: sku?, fields, quantity })
    }

    fn price(&mut self) -> Option<Price> {
        let (has_amount, has_currency) = (self.cell("price").is_some(), self.cell("currency").is_some());
        let amount_minor = self.optional("price", |cell| {
            // Most often a price in the major unit: what is expected instead must be said.
            let minor = |error: String| format!("{error} of the currency's minor unit (1999 for 19.99 EUR)");
            whole(AmountMinor::parse)(cell).map_err(minor)
        });
        let currency = self.optional("currency", Currency::parse);
        match (has_amount, has_currency) {
            (true, false) => self.faults.push("currency is required with price".to_owned()),
            (false, true) => self.faults.push("price is required with currency".to_owned()),
            (true, true) | (false, false) => {}
        }
        Some(Price { amount_minor: amount_minor?, currency: currency? })
    }

    /// An empty cell is as good as none.
    fn cell(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|known| *known == column)?;
        self.record.get(index).map(str::trim).filter(|cell| !cell.is_empty())
    }

    fn required<T, E: Display>(&mut self, column: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.cell(column).is_none() {
            self.faults.push(format!("{column} is required"));
        }
        self.optional(column, parse)
    }

    fn optional<T, E: Display>(&mut self, column: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match parse(self.cell(column)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.faults.push(format!("{column} {error}"));
                None
            }
        }
    }
}

/// Digits, with `-` before them at most.
fn whole<T, E: Display>(parse: impl FnOnce(i64) -> Result<T, E>) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be a whole number".to_owned());
        }
        // A whole number that is no i64 is out of every range.
        parse(text.parse().unwrap_or(i64::MAX)).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(columns: &[&str], cells: &[&str]) -> Result<Row, String> {
        Row::read(7, columns, &StringRecord::from(cells)).map_err(|row| row.failure.detail)
    }

    #[test]
    fn a_full_row_has_every_value_and_an_empty_cell_is_as_good_as_none() {
        let cells = ["A-1", " Cable ", "x", "Cables", "1999", "EUR", "3", "0"];
        let row = read(&COLUMNS, &cells).expect("a row");
        assert_eq!((row.line, row.sku.as_str(), row.fields.name.as_str()), (7, "A-1", "Cable"));
        let price = row.fields.price.expect("a price");
        assert_eq!((price.amount_minor.minor(), price.currency.code()), (1999, "EUR"));
        assert_eq!(
            (row.fields.low_stock_threshold.map(Quantity::units), row.quantity),
            (Some(3), Some(Quantity::ZERO))
        );
        let bare = read(&COLUMNS, &["A-1", "Cable", "", " ", "", "", "", ""]).expect("a row");
        assert_eq!((bare.fields.description, bare.fields.category), (None, None));
        assert_eq!((bare.fields.price, bare.fields.low_stock_threshold, bare.quantity), (None, None, None));
    }

    #[test]
    fn every_fault_of_a_row_is_told_at_once() {
        let found =
            read(&COLUMNS, &["a b", "", "x\ty", &"c".repeat(101), "19.99", "euro", "-1", "1e3"]).expect_err("faults");
        for column in COLUMNS {
            assert!(found.contains(&format!("{column} ")), "{column}: {found}");
        }
        assert_eq!(found.split("; ").count(), COLUMNS.len());
    }

    #[test]
    fn a_price_and_its_currency_come_together() {
        let columns = ["sku", "name", "price", "currency"];
        assert_eq!(read(&columns, &["A", "a", "1", ""]).expect_err("half"), "currency is required with price");
        assert_eq!(read(&columns, &["A", "a", "", "EUR"]).expect_err("half"), "price is required with currency");
        assert_eq!(read(&columns[..3], &["A", "a", "1"]).expect_err("half"), "currency is required with price");
    }

    #[test]
    fn a_price_in_the_major_unit_is_refused_with_what_to_write_instead() {
        let found = read(&["sku", "name", "price", "currency"], &["A", "a", "9.90", "EUR"]).expect_err("a fault");
        assert_eq!(found, "price must be a whole number of the currency's minor unit (1999 for 19.99 EUR)");
    }

    #[test]
    fn a_number_is_whole_and_in_its_range() {
        let quantity = |cell| read(&["sku", "name", "quantity"], &["A", "a", cell]).map(|row| row.quantity);
        assert!(quantity("1000000000").is_ok());
        for wrong in ["1000000001", "-1", "99999999999999999999", "1.0", "+1", "1 000", "-", "x"] {
            assert!(quantity(wrong).is_err(), "{wrong}");
        }
    }
}
