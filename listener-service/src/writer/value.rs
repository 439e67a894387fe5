//! What the units on hand cost, by currency: kept with each change, for to sum it up takes a look at every level.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use shared::price::{Currency, Price};

/// By how much a batch changes it. A product of a price and a quantity may take 70 bits.
#[derive(Debug, Default)]
pub(super) struct ValueChanges(BTreeMap<Currency, i128>);

impl ValueChanges {
    /// So many units of this price came, or went if negative.
    pub(super) fn add(&mut self, price: Option<Price>, units: i64) {
        if let Some(price) = price.filter(|_| units != 0) {
            *self.0.entry(price.currency).or_default() += i128::from(price.amount_minor.minor()) * i128::from(units);
        }
    }

    pub(super) fn store(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (currency, change) in &self.0 {
            let before: Option<String> = connection
                .prepare_cached("SELECT amount_minor FROM stock_value WHERE currency = ?1")?
                .query_row([currency.code()], |row| row.get(0))
                .optional()?;
            let before: i128 = before.map_or(0, |digits| digits.parse().expect("only this wrote it, as digits"));
            connection
                .prepare_cached(
                    "INSERT INTO stock_value (currency, amount_minor) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET amount_minor = ?2",
                )?
                .execute(params![currency.code(), (before + change).to_string()])?;
        }
        Ok(())
    }
}
