//! The rows, what each is held to, and who measures them.

mod accept;
mod apply;
mod memory;
mod read;

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

const ECHO: &str = "axum JSON echo";
const STATIC: &str = "axum static answer";
const LOOP: &str = "raw SQLite loop";

/// In the order of the report.
pub(crate) const ROWS: &[Definition] = &[
    higher("accept", "accept", ECHO, (0.5, 0.65)),
    higher("accept-256", "accept", ECHO, (0.5, 0.65)),
    higher("accept-kafka", "accept-kafka", ECHO, (0.3, 0.45)),
    higher("accept-kafka-256", "accept-kafka", ECHO, (0.3, 0.45)),
    row("accept-cpu", "accept-cpu", "CPU s/1000", ECHO, Better::Lower, (2.5, 2.0)),
    higher("apply", "apply", LOOP, (0.5, 0.65)),
    higher("apply-hot", "apply-hot", LOOP, (0.6, 0.9)),
    higher("read-redis", "read-redis", STATIC, (0.48, 0.58)),
    higher("read-memory", "read-memory", STATIC, (0.75, 0.88)),
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
    Group { families: &["apply"], measure: apply::uniform },
    Group { families: &["apply-hot"], measure: apply::hot },
    Group { families: &["read-redis"], measure: read::redis },
    Group { families: &["read-memory"], measure: read::memory },
    // What the others have seen.
    Group { families: &["memory"], measure: memory::memory },
];

/// All wanted rows, in their order. A group that fails leaves its rows missing, and the others are measured.
pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|group| group.families.iter().any(|family| bench.wants(family))) {
        let figures = (group.measure)(bench);
        let wanted = ROWS.iter().filter(|row| group.families.contains(&row.family) && bench.wants(row.family));
        rows.extend(measured(wanted, figures));
    }
    let place = |row: &Row| ROWS.iter().position(|definition| definition.name == row.definition.name);
    rows.sort_by_key(place);
    rows
}

fn measured(definitions: impl Iterator<Item = &'static Definition>, figures: anyhow::Result<Figures>) -> Vec<Row> {
    let (mut figures, why) = match figures {
        Ok(figures) => (figures, "it was not measured".to_owned()),
        Err(error) if error.is::<Missing>() => (Figures::default(), error.to_string()),
        Err(error) => (Figures::default(), format!("it failed: {error:#}")),
    };
    let row = |definition: &'static Definition| {
        let samples: Option<Samples> = figures.0.remove(definition.name);
        let row = Row { definition, samples: samples.ok_or_else(|| why.clone()) };
        report::row(&row);
        row
    };
    definitions.map(row).collect()
}
