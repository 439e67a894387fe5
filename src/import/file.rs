//! The file: from bytes to rows, or to what is wrong with each of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use sha2::{Digest, Sha256};
use shared::settings::SettingsError;

use super::report::{FailedRow, Failure};
use super::rfc4180;
use super::row::{COLUMNS, REQUIRED, Row};

/// The most bytes that a file may have: it is read as a whole.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file whose header is right.
#[derive(Debug)]
pub(super) struct Table {
    /// SHA-256 of its bytes, in hex.
    pub hash: String,
    /// The rows that can be sent, in their order.
    pub rows: Vec<Row>,
    /// The others, by line.
    pub at_fault: BTreeMap<u64, FailedRow>,
}

impl Table {
    /// An error if the file cannot be read or its header is wrong, and then nothing may be sent.
    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let refuse = |why: String| SettingsError::new("FILE.csv", format!("{}: {why}", path.display()));
        let length = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
        if length > MAX_FILE_BYTES {
            return Err(refuse(format!("has {length} bytes; at most {MAX_FILE_BYTES} can be imported at once")));
        }
        let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        Self::parse(&bytes).map_err(refuse)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            format!("line {line} is not UTF-8")
        })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        rfc4180::check(text)?;
        // The number of cells is looked at row by row, so that one that is wrong fails by itself.
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut next = |record: &mut StringRecord| reader.read_record(record).map_err(|error| error.to_string());
        if !next(&mut record)? {
            return Err("has no header".to_owned());
        }
        let header = header(&record)?;
        let mut table = Self { hash: hex(bytes), rows: Vec::new(), at_fault: BTreeMap::new() };
        let mut lines_of_skus = BTreeMap::new();
        while next(&mut record)? {
            let line = line_of(&record, text);
            let row = Row::read(line, &header, &record).and_then(|row| match lines_of_skus.entry(row.sku.clone()) {
                Entry::Vacant(free) => {
                    free.insert(line);
                    Ok(row)
                }
                Entry::Occupied(first) => {
                    let failure = Failure::invalid(format!("sku {} is on line {} already", row.sku, first.get()));
                    Err(FailedRow { sku: Some(row.sku), failure })
                }
            });
            match row {
                Ok(row) => table.rows.push(row),
                Err(failed) => drop(table.at_fault.insert(line, failed)),
            }
        }
        Ok(table)
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.at_fault.len()
    }
}

/// The columns in their order; an error names every one that is wrong.
fn header(record: &StringRecord) -> Result<Vec<&'static str>, String> {
    let mut faults = Vec::new();
    let mut columns = Vec::new();
    for name in record.iter().map(str::trim) {
        match COLUMNS.into_iter().find(|known| *known == name) {
            Some(known) if columns.contains(&known) => faults.push(format!("the column {known} is there twice")),
            Some(known) => columns.push(known),
            None => faults.push(format!("there is no column {name:?}, only {}", COLUMNS.join(", "))),
        }
    }
    let missing = REQUIRED.into_iter().filter(|name| !columns.contains(name));
    faults.extend(missing.map(|name| format!("the column {name} is missing")));
    if faults.is_empty() { Ok(columns) } else { Err(format!("the header: {}", faults.join("; "))) }
}

/// The line that a record begins on. The reader counts blank lines before a record as its own.
fn line_of(record: &StringRecord, text: &str) -> u64 {
    let position = record.position().expect("a record that was read has one");
    let at = usize::try_from(position.byte()).expect("a position in a text in memory");
    let blank = text.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|&&byte| byte == b'\n').count() as u64
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
        hex
    })
}

#[cfg(test)]
mod tests {
    use shared::text::Sku;

    use super::*;

    fn refused(text: &str) -> String {
        Table::parse(text.as_bytes()).expect_err("refused")
    }

    fn lines(table: &Table) -> Vec<u64> {
        table.rows.iter().map(|row| row.line).collect()
    }

    #[test]
    fn cells_are_read_as_rfc_4180_has_them() {
        let text = "\u{feff}name,sku,description\r\n\"a \"\"b\"\", c\",A,\"one\r\ntwo\"\r\nd,B,\r\n";
        let table = Table::parse(text.as_bytes()).expect("a table");
        assert_eq!(table.rows[0].fields.name.as_str(), "a \"b\", c");
        assert_eq!(
            table.rows[0].fields.description.as_ref().map(shared::text::Description::as_str),
            Some("one\r\ntwo")
        );
        assert_eq!(table.rows[1].fields.description, None);
        assert_eq!(lines(&table), [2, 4]);
        assert_eq!(table.hash.len(), 64);
        assert_ne!(table.hash, Table::parse(text.trim_start_matches('\u{feff}').as_bytes()).expect("a table").hash);
    }

    #[test]
    fn a_row_is_named_by_the_line_that_it_begins_on() {
        let table = Table::parse(b"sku,name\n\n\nA,a\n\r\n\"B\",\"b\nb\"\nC,c\n\nD,d").expect("a table");
        assert_eq!(lines(&table), [4, 8, 10]);
        assert_eq!(table.at_fault.keys().collect::<Vec<_>>(), [&6], "a name has no line break");
    }

    #[test]
    fn columns_that_are_not_known_or_there_twice_or_missing_are_named() {
        for (header, names) in [
            ("sku,colour,name", "\"colour\""),
            ("sku,name,Price", "\"Price\""),
            ("sku,name,name", "column name is there twice"),
            ("sku,price", "column name is missing"),
            ("name", "column sku is missing"),
            ("", "no header"),
            ("sku;name", "\"sku;name\""),
            ("sku,name,", "\"\""),
        ] {
            assert!(refused(header).contains(names), "{header}: {}", refused(header));
        }
        let all = refused("sku,sku,x");
        assert!(all.contains("twice") && all.contains("\"x\"") && all.contains("name is missing"), "{all}");
    }

    #[test]
    fn what_is_not_utf_8_is_refused_by_its_line() {
        let error = Table::parse(b"sku,name\nA,a\nB,b\xff\n").expect_err("refused");
        assert_eq!(error, "line 3 is not UTF-8");
    }

    #[test]
    fn a_quote_or_a_carriage_return_out_of_place_refuses_the_file() {
        for (text, says) in [
            ("sku,name,description\nA,a,\"never closed\nB,b,\nC,c,\n", "line 2"),
            ("sku,name,description\nA,a,\"stray\nB,b,\nC,c,5\" nail\n", "line 4"),
            ("sku,name\nA,5\" nail\n", "line 2"),
            ("sku,name\rA,a\rB,b\r", "line 1"),
            // The mark is not the first character of a cell.
            ("\u{feff}\"sku\",name\nA,\"a\n", "line 2"),
        ] {
            assert!(refused(text).starts_with(says), "{text:?}: {}", refused(text));
        }
    }

    #[test]
    fn a_row_at_fault_does_not_take_others_with_it() {
        let table =
            Table::parse(b"sku,name,quantity\nA,a,1\nB,b\n-,c,1\nA,again,1\nD,d,-1\nE,e,1,1\nF,f,\n").expect("rows");
        assert_eq!(lines(&table), [2, 8]);
        let details: Vec<_> = table.at_fault.iter().map(|(line, row)| (*line, row.failure.detail.as_str())).collect();
        assert_eq!(details[0], (3, "has 2 cells, the header has 3"));
        assert!(details[1].1.starts_with("sku must be"), "{details:?}");
        assert_eq!(details[2], (5, "sku A is on line 2 already"));
        assert!(details[3].1.starts_with("quantity must be"), "{details:?}");
        assert_eq!(details[4].0, 7);
        let skus: Vec<_> = table.at_fault.values().map(|row| row.sku.as_ref().map(Sku::as_str)).collect();
        assert_eq!(skus, [None, None, Some("A"), Some("D"), None], "not of a cell that may be another column's");
        assert_eq!(table.len(), 7);
    }
}
