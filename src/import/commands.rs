//! The commands of a row, as rows of a batch, each with its key.

use serde_json::{Value, json};
use shared::text::StoreId;

use super::row::Row;

/// What changes stock is done for this reason.
const REASON: &str = "import";

/// Makes the commands of one file for one store.
pub(super) struct Commands {
    hash: String,
    store: StoreId,
}

impl Commands {
    pub(super) fn new(hash: &str, store: &StoreId) -> Self {
        Self { hash: hash.to_owned(), store: store.clone() }
    }

    /// The item, with its stock if that is at `main`.
    pub(super) fn create(&self, row: &Row) -> String {
        let quantity = row.quantity.filter(|_| self.store.is_main()).unwrap_or_default();
        let mut command = self.of_fields(row, "create");
        command["quantity"] = json!(quantity);
        command.to_string()
    }

    /// After the creation was applied: its stock, if that is elsewhere.
    pub(super) fn after_creation(&self, row: &Row) -> Vec<String> {
        let quantity = row.quantity.filter(|quantity| quantity.units() > 0 && !self.store.is_main());
        let adjust = |quantity| {
            let mut command = self.command(row, "adjust");
            command["quantity"] = json!(quantity);
            self.at_the_store(command)
        };
        quantity.map(adjust).into_iter().collect()
    }

    /// If the item is there already: what the catalogue says of it, and its stock if the row has any.
    pub(super) fn update(&self, row: &Row) -> Vec<String> {
        let count = |quantity| {
            let mut command = self.command(row, "count");
            command["quantity"] = json!(quantity);
            // Whatever was on hand: the file does not know it.
            command["expectedQuantity"] = Value::Null;
            self.at_the_store(command)
        };
        [self.of_fields(row, "update").to_string()].into_iter().chain(row.quantity.map(count)).collect()
    }

    fn of_fields(&self, row: &Row, kind: &str) -> Value {
        let mut command = serde_json::to_value(&row.fields).expect("numbers and text always serialise");
        if let (Value::Object(all), Value::Object(own)) = (&mut command, self.command(row, kind)) {
            all.extend(own);
        }
        command
    }

    fn at_the_store(&self, mut command: Value) -> String {
        command["storeId"] = json!(self.store);
        command["reason"] = json!(REASON);
        command.to_string()
    }

    fn command(&self, row: &Row, kind: &str) -> Value {
        // The store too: the same file may be imported into another one.
        let key = format!("{}-{}-{kind}-{}", self.hash, row.line, self.store);
        json!({"type": kind, "sku": row.sku, "idempotencyKey": key})
    }
}

#[cfg(test)]
mod tests {
    use csv::StringRecord;

    use super::*;
    use crate::import::row::COLUMNS;

    fn row(quantity: &str) -> Row {
        let cells = ["A", "Cable", "", "Cables", "1999", "EUR", "3", quantity];
        Row::read(12, &COLUMNS, &StringRecord::from(&cells[..])).expect("a row")
    }

    fn at(store: &str) -> Commands {
        Commands::new(&"0".repeat(64), &StoreId::parse(store).expect("a store"))
    }

    fn read(command: &str) -> Value {
        serde_json::from_str(command).expect("JSON")
    }

    #[test]
    fn at_main_an_item_is_created_with_its_stock() {
        let key = format!("{}-12-create-main", "0".repeat(64));
        let expected = json!({
            "type": "create", "sku": "A", "idempotencyKey": key, "name": "Cable", "description": null, "category": "Cables",
            "price": {"amountMinor": 1999, "currency": "EUR"}, "lowStockThreshold": 3, "quantity": 7,
        });
        assert_eq!(read(&at("main").create(&row("7"))), expected);
        assert!(at("main").after_creation(&row("7")).is_empty());
    }

    #[test]
    fn at_another_store_an_item_is_created_without_stock_and_gets_it_there() {
        assert_eq!(read(&at("berlin").create(&row("7")))["quantity"], 0);
        let key = format!("{}-12-adjust-berlin", "0".repeat(64));
        let expected = json!({
            "type": "adjust", "sku": "A", "idempotencyKey": key, "quantity": 7, "storeId": "berlin", "reason": "import",
        });
        let after = at("berlin").after_creation(&row("7"));
        assert_eq!(after.iter().map(|command| read(command)).collect::<Vec<_>>(), [expected]);
        for none in ["", "0"] {
            assert!(at("berlin").after_creation(&row(none)).is_empty());
        }
    }

    #[test]
    fn an_update_counts_only_what_the_row_has() {
        let commands = at("berlin").update(&row("0"));
        let types: Vec<_> = commands.iter().map(|command| read(command)["type"].clone()).collect();
        assert_eq!(types, ["update", "count"]);
        let count = read(&commands[1]);
        assert_eq!((&count["quantity"], &count["storeId"]), (&json!(0), &json!("berlin")));
        assert_eq!(count.get("expectedQuantity"), Some(&Value::Null));
        assert_eq!(at("berlin").update(&row("")).len(), 1);
    }

    #[test]
    fn the_key_of_a_command_is_never_longer_than_a_key_may_be() {
        let store = "s".repeat(64);
        let Row { sku, fields, quantity, .. } = row("1");
        let last = Row { line: u64::MAX, sku, fields, quantity };
        for command in [at(&store).update(&last), vec![at(&store).create(&last)]].concat() {
            assert!(read(&command)["idempotencyKey"].as_str().is_some_and(|key| key.len() <= 255));
        }
    }
}
