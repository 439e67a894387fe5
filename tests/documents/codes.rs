//! docs/ERRORS.md: every code, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use listener_service::dead_letter::Reason;
use shared::message::DecodeError;
use shared::outcome::RejectionCode;
use shared::problem::ProblemCode;

use crate::assert_same;
use crate::markdown::{first_column, rows, section};

const PAGE: &str = include_str!("../../docs/ERRORS.md");
/// Where fields are found at fault.
const SOURCES: [&str; 4] = ["shared/src", "command-service/src", "query-service/src", "listener-service/src"];

fn owned(codes: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    codes.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_problem_is_there_with_its_status() {
    let page: Vec<(String, String)> =
        rows(section(PAGE, "## Problems")).into_iter().map(|cells| (cells[0].clone(), cells[1].clone())).collect();
    let code: Vec<(String, String)> =
        ProblemCode::ALL.iter().map(|code| (code.status().as_str().to_owned(), code.as_str().to_owned())).collect();
    assert_same("docs/ERRORS.md, Problems", &page, &code);
}

#[test]
fn every_rejection_is_there() {
    let code = owned(RejectionCode::ALL.map(RejectionCode::as_str));
    assert_same("docs/ERRORS.md, Rejections", &first_column(section(PAGE, "## Rejections")), &code);
}

#[test]
fn every_reason_of_a_dead_letter_is_there() {
    let code = owned(DecodeError::CODES.into_iter().chain(Reason::CODES));
    assert_same("docs/ERRORS.md, Dead letters", &first_column(section(PAGE, "## Dead letters")), &code);
}

/// These codes stand where they are used, so the sources are searched for them.
#[test]
fn every_code_of_a_field_is_there() {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in SOURCES {
        search(&root.join(folder), &mut found);
    }
    assert!(found.len() > 5, "the search finds codes: {found:?}");
    let code: Vec<String> = found.into_iter().collect();
    assert_same("docs/ERRORS.md, Fields", &first_column(section(PAGE, "## Fields")), &code);
}

fn search(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let source = text.split("#[cfg(test)]").next().unwrap_or_default();
            found.extend(field_codes(source));
        }
    }
}

/// `Fault("CODE"`, `code: "CODE"`, and in the files of values all codes that their own errors have.
fn field_codes(source: &str) -> Vec<String> {
    let is_value = source.contains("pub enum TextError") || source.contains("pub enum QuantityError");
    let quoted: Vec<&str> = source.split('"').collect();
    let pairs = quoted.windows(2).filter(|pair| {
        let before = pair[0].trim_end();
        before.ends_with("Fault(") || before.ends_with("code:") || before.ends_with("Self(") || is_value
    });
    let is_code = |text: &str| text.len() > 3 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    pairs.map(|pair| pair[1].to_owned()).filter(|text| is_code(text)).collect()
}

#[test]
fn a_code_in_a_source_is_found() {
    let source = "Err(Fault(\n    \"NEW_CODE\", detail)); code: \"OTHER\"; Self(\"THIRD\", x); x == \"NO_CODE\"";
    assert_eq!(field_codes(source), ["NEW_CODE", "OTHER", "THIRD"]);
    assert_eq!(field_codes("pub enum TextError; match self { A => \"TOO_NEW\" }"), ["TOO_NEW"]);
}
