//! docs/OPERATIONS.md: every metric, and no other.

use std::collections::BTreeSet;

use crate::markdown::{rows, section};
use crate::{assert_same, each_source};

const PAGE: &str = include_str!("../../docs/OPERATIONS.md");
const KINDS: [&str; 3] = ["counter", "gauge", "histogram"];

/// Name and kind of each metric that a source moves.
fn metrics_of(source: &str) -> Vec<(String, String)> {
    let of_kind = |kind: &str| {
        let pieces: Vec<&str> = source.split(&format!("{kind}!(")).skip(1).collect();
        let names = pieces.into_iter().filter_map(|piece| piece.trim_start().strip_prefix('"')?.split('"').next());
        names.map(|name| (name.to_owned(), kind.to_owned())).collect::<Vec<_>>()
    };
    KINDS.iter().flat_map(|kind| of_kind(kind)).collect()
}

#[test]
fn every_metric_is_there_with_its_kind() {
    let mut found = BTreeSet::new();
    each_source(|source| found.extend(metrics_of(source)));
    assert!(found.len() > 10, "the search finds metrics: {found:?}");
    let page: Vec<(String, String)> =
        rows(section(PAGE, "## Metrics")).into_iter().map(|cells| (cells[0].clone(), cells[1].clone())).collect();
    assert_same("docs/OPERATIONS.md, Metrics", &page, &found.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_metric_in_a_source_is_found() {
    let source = "metrics::counter!(\"a_total\", \"x\" => y); gauge!(\n    \"b\").set(1); histogram!(\"c\")";
    let found: Vec<String> = metrics_of(source).into_iter().map(|(name, kind)| format!("{kind} {name}")).collect();
    assert_eq!(found, ["counter a_total", "gauge b", "histogram c"]);
}
