//! docs/ERRORS.md: every code, and no other.

use std::collections::BTreeSet;

use listener_service::dead_letter::Reason;
use shared::message::DecodeError;
use shared::outcome::RejectionCode;
use shared::problem::ProblemCode;

use crate::markdown::{first_column, rows, section};
use crate::{assert_same, each_source};

const PAGE: &str = include_str!("../../docs/ERRORS.md");

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
    each_source(|source| found.extend(field_codes(source)));
    assert!(found.len() > 5, "the search finds codes: {found:?}");
    let code: Vec<String> = found.into_iter().collect();
    assert_same("docs/ERRORS.md, Fields", &first_column(section(PAGE, "## Fields")), &code);
}

/// `Fault("CODE"`, `code: "CODE"`, and in the files of values all codes that their own errors have.
fn field_codes(source: &str) -> Vec<String> {
    let values = ["TextError", "QuantityError", "PriceError", "LinesError"];
    let is_value = values.iter().any(|error| source.contains(&format!("pub enum {error}")));
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
