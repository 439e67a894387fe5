//! What became of the rows, for whoever started the import.

use std::collections::BTreeMap;
use std::fmt;

use shared::text::Sku;

use super::file::Table;
use super::row::Row;

/// What became of a row that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Its item is new.
    Created,
    /// Its item was there, and is as the row has it now.
    Updated,
    /// An earlier run had done it.
    Unchanged,
}

/// Why a row failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Stable: a problem's, a rejection's, or one of an outcome that was not learned.
    pub code: String,
    /// In words.
    pub detail: String,
}

impl Failure {
    /// Its cells break the contract.
    pub(super) fn invalid(detail: String) -> Self {
        Self { code: "VALIDATION_FAILED".to_owned(), detail }
    }
}

/// A row that failed, as it is told.
#[derive(Debug, Clone)]
pub(super) struct FailedRow {
    /// Absent if its cell has none.
    pub sku: Option<Sku>,
    /// Why.
    pub failure: Failure,
}

/// Counts, and every row that failed.
pub(super) struct Report {
    rows: usize,
    created: usize,
    updated: usize,
    unchanged: usize,
    failed: BTreeMap<u64, FailedRow>,
}

impl Report {
    /// Before anything was sent.
    pub(super) fn of(table: &Table) -> Self {
        Self { rows: table.len(), created: 0, updated: 0, unchanged: 0, failed: table.at_fault.clone() }
    }

    /// Adds what became of a row.
    pub(super) fn tell(&mut self, row: &Row, done: Result<Done, Failure>) {
        match done {
            Ok(Done::Created) => self.created += 1,
            Ok(Done::Updated) => self.updated += 1,
            Ok(Done::Unchanged) => self.unchanged += 1,
            Err(failure) => {
                self.failed.insert(row.line, FailedRow { sku: Some(row.sku.clone()), failure });
            }
        }
    }

    /// All rows of the file, in words.
    pub(super) fn rows(&self) -> String {
        format!("{} {}", self.rows, if self.rows == 1 { "row" } else { "rows" })
    }

    /// Those that failed.
    pub(super) fn failed(&self) -> usize {
        self.failed.len()
    }

    /// When nothing was to be sent.
    pub(super) fn of_dry_run(&self) -> String {
        let failed = self.failed();
        let right = self.rows - failed;
        format!("{}: {right} right, {failed} failed; nothing was sent\n{}", self.rows(), Failures(&self.failed))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, created, updated, unchanged, failed } = self;
        write!(f, "{}: {created} created, {updated} updated, {unchanged} unchanged", self.rows())?;
        write!(f, ", {} failed", failed.len())?;
        match rows - created - updated - unchanged - failed.len() {
            0 => writeln!(f)?,
            open => writeln!(f, ", {open} not finished")?,
        }
        Failures(failed).fmt(f)
    }
}

/// One a line.
struct Failures<'a>(&'a BTreeMap<u64, FailedRow>);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(line, FailedRow { sku, failure: Failure { code, detail } })| {
            let sku = sku.as_ref().map(|sku| format!(" ({sku})")).unwrap_or_default();
            writeln!(f, "line {line}{sku}: {code}: {detail}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_counted_once_and_each_that_failed_is_named_by_its_line() {
        let failure = Failure { code: "DUPLICATE_SKU".to_owned(), detail: "is there".to_owned() };
        let there = FailedRow { sku: Sku::parse("LAMP-01").ok(), failure };
        let nameless = FailedRow { sku: None, failure: Failure::invalid("name is required".to_owned()) };
        let failed = BTreeMap::from([(12, nameless), (3, there)]);
        let mut report = Report { rows: 5, created: 1, updated: 0, unchanged: 2, failed };
        assert_eq!(
            report.to_string(),
            "5 rows: 1 created, 0 updated, 2 unchanged, 2 failed\n\
             line 3 (LAMP-01): DUPLICATE_SKU: is there\nline 12: VALIDATION_FAILED: name is required\n"
        );
        report.rows = 7;
        assert!(
            report.to_string().starts_with("7 rows: 1 created, 0 updated, 2 unchanged, 2 failed, 2 not finished\n")
        );
        assert!(report.of_dry_run().starts_with("7 rows: 5 right, 2 failed; nothing was sent\nline 3 (LAMP-01): "));
    }

    #[test]
    fn one_row_is_no_rows() {
        let report = Report { rows: 1, created: 1, updated: 0, unchanged: 0, failed: BTreeMap::new() };
        assert_eq!(report.to_string(), "1 row: 1 created, 0 updated, 0 unchanged, 0 failed\n");
        assert_eq!(report.of_dry_run(), "1 row: 1 right, 0 failed; nothing was sent\n");
    }
}
