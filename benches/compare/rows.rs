//! The rows, what each is held to, and who measures them.

mod accept;
mod apply;
mod fresh;
mod growth;
mod list;
mod memory;
mod read;
mod readers;
mod writer;

use std::panic::AssertUnwindSafe;

use crate::bench::Bench;
use crate::parts::Missing;
use crate::report;
use crate::row::{Better, Definition, Figures, Row, Samples};

const fn row(
    name: &'static str,
    family: &'static str,
    unit: &'static str,
    floor: &'static str,
    better: Better,
    (reach, good): (f64, f64),
) -> Definition {
    Definition { name, family, unit, floor, better, reach, good, only_by_name: false }
}

const fn higher(name: &'static str, family: &'static str, floor: &'static str, marks: (f64, f64)) -> Definition {
    row(name, family, "1/s", floor, Better::Higher, marks)
}

/// Of the writer alone, which is part of `apply`.
const fn by_name(name: &'static str) -> Definition {
    Definition { only_by_name: true, ..higher(name, name, LOOP, (0.5, 0.65)) }
}

const ECHO: &str = "axum JSON echo";
const STATIC: &str = "axum static answer";
const LOOP: &str = "raw SQLite loop";
const PEER: &str = "PostgreSQL, a statement each";
const BATCHED: &str = "PostgreSQL, 1,024 a transaction";
const SQL: &str = "the same SQL";
const SERVED: &str = "the same SQL behind axum";

/// In the order of the report.
pub(crate) const ROWS: &[Definition] = &[
    higher("accept", "accept", ECHO, (0.5, 0.65)),
    higher("accept-256", "accept", ECHO, (0.5, 0.65)),
    higher("accept-kafka", "accept-kafka", ECHO, (0.3, 0.45)),
    higher("accept-kafka-256", "accept-kafka", ECHO, (0.3, 0.45)),
    row("accept-cpu", "accept-cpu", "CPU s/1000", ECHO, Better::Lower, (2.5, 2.0)),
    higher("apply", "apply", LOOP, (0.5, 0.65)),
    higher("apply-hot", "apply-hot", LOOP, (0.6, 0.9)),
    higher("apply-postgres", "apply-postgres", PEER, (4.0, 7.0)),
    higher("apply-postgres-hot", "apply-postgres-hot", PEER, (20.0, 40.0)),
    higher("apply-postgres-batched", "apply-postgres-batched", BATCHED, (1.0, 2.0)),
    higher("read-redis", "read-redis", STATIC, (0.48, 0.58)),
    higher("read-memory", "read-memory", STATIC, (0.75, 0.88)),
    higher("read-list", "read-list", SQL, (0.7, 2.0)),
    row("read-list-p99", "read-list", "ms", "", Better::Lower, (20.0, 20.0)),
    row("fresh", "fresh", "ms", "", Better::Lower, (25.0, 10.0)),
    row("fresh-token", "fresh", "ms", "", Better::Lower, (25.0, 10.0)),
    row("fresh-2000", "fresh", "ms", "", Better::Lower, (25.0, 10.0)),
    row("fresh-2000-token", "fresh", "ms", "", Better::Lower, (25.0, 10.0)),
    row("readers", "readers", "CPU s/1000", "one query-service", Better::Lower, (1.15, 1.05)),
    higher("growth", "growth", LOOP, (0.5, 0.65)),
    higher("growth-read", "growth", SERVED, (0.5, 0.65)),
    row("start", "start", "s", "", Better::Lower, (2.0, 0.5)),
    by_name("reserve"),
    by_name("confirm"),
    by_name("cancel"),
    by_name("expire"),
    row("memory", "memory", "MB", "", Better::Lower, (200.0, 100.0)),
];

/// Measures the rows of these families, those that are wanted.
struct Group {
    families: &'static [&'static str],
    measure: fn(&Bench) -> anyhow::Result<Figures>,
}

const GROUPS: &[Group] = &[
    Group { families: &["accept", "accept-cpu"], measure: accept::embedded },
    Group { families: &["accept-kafka"], measure: accept::kafka },
    Group { families: &["apply", "apply-postgres", "apply-postgres-batched"], measure: apply::uniform },
    Group { families: &["apply-hot", "apply-postgres-hot"], measure: apply::hot },
    Group { families: &["read-redis"], measure: read::redis },
    Group { families: &["read-memory"], measure: read::memory },
    Group { families: &["read-list"], measure: list::list },
    Group { families: &["fresh"], measure: fresh::fresh },
    Group { families: &["readers"], measure: readers::readers },
    Group { families: &["growth", "start"], measure: growth::growth },
    Group { families: &["reserve", "confirm", "cancel", "expire"], measure: writer::writer },
    // What the others have seen.
    Group { families: &["memory"], measure: memory::memory },
];

/// All wanted rows, in their order. A group that fails leaves its rows missing, and the others are measured.
pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|group| group.families.iter().any(|family| bench.wants(family))) {
        // The tests' own parts panic when one of them does not start.
        let figures = std::panic::catch_unwind(AssertUnwindSafe(|| (group.measure)(bench)));
        let figures = figures.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked, as said above")));
        let wanted = ROWS.iter().filter(|row| group.families.contains(&row.family) && bench.wants(row.family));
        rows.extend(measured(wanted, figures));
    }
    let place = |row: &Row| ROWS.iter().position(|definition| definition.name == row.definition.name);
    rows.sort_by_key(place);
    rows
}

fn measured(definitions: impl Iterator<Item = &'static Definition>, figures: anyhow::Result<Figures>) -> Vec<Row> {
    let (mut figures, why, is_part) = match figures {
        Ok(figures) => (figures, "it was not measured".to_owned(), false),
        Err(error) if error.is::<Missing>() => (Figures::default(), error.to_string(), true),
        Err(error) => (Figures::default(), format!("it failed: {error:#}"), false),
    };
    let row = |definition: &'static Definition| {
        let samples: Option<Samples> = figures.samples.remove(definition.name);
        let part = figures.missing.remove(definition.name);
        let has_failed = samples.is_none() && part.is_none() && !is_part;
        let row = Row { definition, samples: samples.ok_or_else(|| part.unwrap_or_else(|| why.clone())), has_failed };
        report::row(&row);
        row
    };
    definitions.map(row).collect()
}
