//! The full-text index, against one that is made afresh of the items that live.
//!
//! Both are read out in full, so that also what the index has too much of is found.

use rusqlite::{Connection, params};
use shared::id::ItemId;

use super::Report;
use super::database::{Database, State, all};

/// Everything that is in the two: SQLite's own table over an index has a row for each place of each term.
const READ: &str = "
    CREATE VIRTUAL TABLE temp.checker_stored USING fts5vocab(main, item_search, instance);
    CREATE VIRTUAL TABLE temp.checker_made USING fts5vocab(temp, checker_search, instance);";

const DIFFERENCE: &str = "
    SELECT doc, 'does not have', term FROM (
        SELECT doc, col, offset, term FROM temp.checker_made EXCEPT SELECT doc, col, offset, term FROM temp.checker_stored)
    UNION ALL
    SELECT doc, 'has', term FROM (
        SELECT doc, col, offset, term FROM temp.checker_stored EXCEPT SELECT doc, col, offset, term FROM temp.checker_made)";

pub(super) fn check(
    connection: &Connection,
    database: &Database,
    rebuilt: &State,
    report: &mut Report,
) -> rusqlite::Result<()> {
    let live: Vec<_> = rebuilt.items.iter().filter(|(_, item)| !item.deleted).collect();
    let made: String =
        connection.query_row("SELECT sql FROM sqlite_schema WHERE name = 'item_search'", [], |row| row.get(0))?;
    connection.execute_batch(&made.replacen("item_search", "temp.checker_search", 1))?;
    for (id, item) in &live {
        let number = database.numbers.get(id);
        connection
            .prepare_cached("INSERT INTO temp.checker_search (rowid, sku, name, description) VALUES (?, ?, ?, ?)")?
            .execute(params![number, item.sku, item.name, item.description])?;
    }
    connection.execute_batch(READ)?;
    let of = |number: i64| {
        let item: Option<(&ItemId, _)> = database.numbers.iter().find(|(_, known)| **known == number);
        item.and_then(|(id, _)| rebuilt.items.get(id)).map_or_else(|| number.to_string(), |item| item.sku.clone())
    };
    let differences = all(connection, DIFFERENCE, |row| {
        let (number, has, term): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("the full-text index {has} {term:?} of {}", of(number)))
    })?;
    report.rebuild.extend(differences);
    let rows: usize = connection.query_row("SELECT count(*) FROM item_search", [], |row| row.get(0))?;
    if rows != live.len() {
        report.rebuild.push(format!("the full-text index has {rows} rows for {} live items", live.len()));
    }
    Ok(())
}
