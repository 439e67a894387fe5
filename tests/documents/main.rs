//! The pages of docs/, held to the code: what one has and the other has not is a failure, in either direction.

mod codes;
mod events;
mod markdown;
mod metrics;
mod openapi;
mod order;
mod schema;
mod settings;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

/// Both must be the same set; else what is missing on the page and what is too much there.
fn compare<T: Ord + Debug>(page: &[T], code: &[T]) -> Result<(), String> {
    let (on_page, in_code): (BTreeSet<&T>, BTreeSet<&T>) = (page.iter().collect(), code.iter().collect());
    if on_page.len() < page.len() {
        return Err(format!("twice on the page: one of {page:?}"));
    }
    if on_page == in_code {
        return Ok(());
    }
    let missing: Vec<_> = in_code.difference(&on_page).collect();
    let extra: Vec<_> = on_page.difference(&in_code).collect();
    Err(format!("missing on the page: {missing:?}; only on the page: {extra:?}"))
}

/// Fails with the name of the page.
#[track_caller]
fn assert_same<T: Ord + Debug>(place: &str, page: &[T], code: &[T]) {
    compare(page, code).unwrap_or_else(|difference| panic!("{place}: {difference}"));
}

/// What the services and their shared crates are made of, without their tests.
fn each_source(mut see: impl FnMut(&str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["shared/src", "kafka/src", "command-service/src", "query-service/src", "listener-service/src"] {
        each_source_below(&root.join(folder), &mut see);
    }
}

fn each_source_below(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            each_source_below(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            see(text.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
}

#[test]
fn a_missing_row_an_extra_one_and_a_double_one_are_found() {
    assert_eq!(compare(&["a", "b"], &["b", "a"]), Ok(()));
    assert!(compare(&["a"], &["a", "b"]).expect_err("missing").contains("missing on the page: [\"b\"]"));
    assert!(compare(&["a", "b"], &["a"]).expect_err("extra").contains("only on the page: [\"b\"]"));
    assert!(compare(&["a", "a"], &["a"]).expect_err("double").contains("twice"));
}

/// The walkthrough is run by a test; so what the README takes from it holds too.
#[test]
fn the_first_steps_are_those_of_the_walkthrough() {
    let walkthrough = include_str!("../../docs/WALKTHROUGH.md");
    let first_steps = markdown::section(include_str!("../../README.md"), "## First steps");
    let shown = [markdown::blocks(first_steps, "sh"), markdown::blocks(first_steps, "text")].concat();
    assert!(shown.len() > 4, "the README shows steps");
    for block in shown.iter().filter(|block| !block.starts_with("cargo ")) {
        assert!(walkthrough.contains(block.as_str()), "not in docs/WALKTHROUGH.md:\n{block}");
    }
}
