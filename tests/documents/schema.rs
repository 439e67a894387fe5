//! docs/SCHEMA.md: every table and every column of a real database, and no other.

use listener_service::database;

use crate::assert_same;
use crate::markdown::{first_column, headings, section};

const PAGE: &str = include_str!("../../docs/SCHEMA.md");

#[test]
fn every_table_and_every_column_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = database::open(&folder.path().join("inventory.db")).expect("a database");
    let names = |sql: &str, of: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("SQL");
        statement.query_map([of], |row| row.get(0)).expect("rows").map(|name| name.expect("text")).collect()
    };
    let tables =
        names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND ?1 = ''", "");
    assert_same("docs/SCHEMA.md, tables", &headings(section(PAGE, "## Tables"), 3), &tables);
    for table in tables {
        let columns = names("SELECT name FROM pragma_table_info(?1)", &table);
        let page = first_column(section(PAGE, &format!("### {table}")));
        assert_same(&format!("docs/SCHEMA.md, {table}"), &page, &columns);
    }
    let indexes = names("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND ?1 = ''", "");
    let page = section(PAGE, "## Indexes, and what has none");
    for index in indexes {
        assert!(page.contains(&format!("- `{index}`:")), "docs/SCHEMA.md does not say why there is {index}");
    }
}
