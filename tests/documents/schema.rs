//! docs/SCHEMA.md: every table, column and index of a real database, and no other.

use std::time::Duration;

use listener_service::lease::{Attempt, Candidate};
use listener_service::{database, schema};

use crate::assert_same;
use crate::markdown::{first_column, headings, section};

const PAGE: &str = include_str!("../../docs/SCHEMA.md");

/// Of a database that the newest program has made.
struct Found {
    tables: Vec<String>,
    /// Table and column.
    columns: Vec<(String, String)>,
    /// Name and condition, if it is a partial one.
    indexes: Vec<(String, Option<String>)>,
}

impl Found {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.db");
        let mut connection = database::open(&path).expect("a database");
        let Attempt::Taken(lease) = Candidate::new(Duration::ZERO).attempt(&mut connection).expect("an attempt") else {
            panic!("nobody else has it")
        };
        schema::migrate(&mut connection, &path, lease).expect("the newest schema");
        let names = |sql: &str, of: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).expect("SQL");
            statement.query_map([of], |row| row.get(0)).expect("rows").map(|name| name.expect("text")).collect()
        };
        // The full text index keeps its parts in tables of the type `shadow`.
        let tables = names(
            "SELECT name FROM pragma_table_list
             WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite_%' AND ?1 = ''",
            "",
        );
        let columns = tables
            .iter()
            .flat_map(|table| {
                let columns = names("SELECT name FROM pragma_table_info(?1)", table);
                columns.into_iter().map(|column| (table.clone(), column))
            })
            .collect();
        let indexes = names("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND ?1 = ''", "");
        let indexes = indexes.iter().map(|sql| index(sql)).collect();
        Self { tables, columns, indexes }
    }
}

/// The name of an index and its condition.
fn index(sql: &str) -> (String, Option<String>) {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let name = words.iter().skip_while(|word| **word != "INDEX").nth(1).expect("an index has a name");
    let condition = words.iter().position(|word| *word == "WHERE").map(|at| words[at + 1..].join(" "));
    ((*name).to_owned(), condition)
}

#[test]
fn every_table_and_every_column_is_there() {
    let found = Found::new();
    assert_same("docs/SCHEMA.md, tables", &headings(section(PAGE, "## Tables"), 3), &found.tables);
    for table in found.tables {
        let columns: Vec<String> =
            found.columns.iter().filter(|(of, _)| *of == table).map(|(_, column)| column.clone()).collect();
        assert!(!columns.is_empty(), "{table} has columns");
        let page = first_column(section(PAGE, &format!("### {table}")));
        assert_same(&format!("docs/SCHEMA.md, {table}"), &page, &columns);
    }
}

#[test]
fn every_index_is_there_with_its_reason_and_its_condition() {
    let below = section(PAGE, "## Indexes, and what has none");
    let listed: Vec<(String, String)> = below
        .split("\n- `")
        .skip(1)
        .filter_map(|entry| entry.split_once("`:").map(|(name, why)| (name.to_owned(), why.to_owned())))
        .collect();
    let names: Vec<String> = listed.iter().map(|(name, _)| name.clone()).collect();
    let indexes = Found::new().indexes;
    assert_same("docs/SCHEMA.md, indexes", &names, &indexes.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    for (name, condition) in indexes {
        let (_, why) = listed.iter().find(|(known, _)| *known == name).expect("compared above");
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let condition = condition.map(|condition| format!("`WHERE {condition}`")).unwrap_or_default();
        assert!(why.contains(&condition), "docs/SCHEMA.md, {name}: its condition is {condition}");
        assert!(condition.is_empty() != why.contains("WHERE"), "docs/SCHEMA.md, {name}: WHERE tells a condition");
    }
}

#[test]
fn the_page_is_about_the_newest_version() {
    let said = format!("This page is version {} of the schema.", schema::LATEST);
    assert!(PAGE.contains(&said), "docs/SCHEMA.md does not say: {said}");
}

#[test]
fn an_index_is_read_from_its_statement() {
    let (name, condition) = index("CREATE INDEX by_x\n    ON t (x)\n    WHERE x IS NOT\n NULL");
    assert_eq!((name.as_str(), condition.as_deref()), ("by_x", Some("x IS NOT NULL")));
    assert_eq!(index("CREATE UNIQUE INDEX u ON t (x)"), ("u".to_owned(), None));
}
