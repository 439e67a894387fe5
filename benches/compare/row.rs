//! One row: what it is held to, what was measured, and its object in `compare.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::usage::Cost;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What a row is called and held to. Reach and good are of the ratio; without a floor, of the value.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    /// What `--row` calls it and its variants.
    pub(crate) family: &'static str,
    pub(crate) unit: &'static str,
    /// What it is compared with; empty if with nothing.
    pub(crate) floor: &'static str,
    pub(crate) better: Better,
    pub(crate) reach: f64,
    pub(crate) good: f64,
    /// Not part of a run of all rows.
    pub(crate) only_by_name: bool,
}

/// What was measured for one row, repeat by repeat.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) values: Vec<f64>,
    pub(crate) floors: Vec<f64>,
    pub(crate) costs: Vec<Cost>,
    /// What else is to be known, a line each.
    pub(crate) notes: Vec<String>,
}

impl Samples {
    /// Of one repeat, with its floor.
    pub(crate) fn pair(&mut self, value: f64, floor: f64) {
        self.values.push(value);
        self.floors.push(floor);
    }

    pub(crate) fn value(&self) -> Option<f64> {
        median(&self.values)
    }

    pub(crate) fn floor(&self) -> Option<f64> {
        median(&self.floors)
    }

    /// The median of the repeats' own ratios: a machine that grows slower in between slows both of a pair.
    pub(crate) fn ratio(&self) -> Option<f64> {
        median(&self.values.iter().zip(&self.floors).map(|(value, floor)| value / floor).collect::<Vec<_>>())
    }
}

/// What a group of rows gave, by name.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) samples: BTreeMap<&'static str, Samples>,
    /// Why a row was not measured, where the others of its group were.
    pub(crate) missing: BTreeMap<&'static str, String>,
}

impl Figures {
    /// Of one repeat, with its floor.
    pub(crate) fn pair(&mut self, row: &'static str, value: f64, floor: f64) {
        self.samples.entry(row).or_default().pair(value, floor);
    }

    /// Of one repeat, without a floor.
    pub(crate) fn alone(&mut self, row: &'static str, value: f64) {
        self.samples.entry(row).or_default().values.push(value);
    }

    pub(crate) fn costs(&mut self, row: &'static str, costs: Vec<Cost>) {
        self.samples.entry(row).or_default().costs.extend(costs);
    }

    pub(crate) fn note(&mut self, row: &'static str, note: String) {
        self.samples.entry(row).or_default().notes.push(note);
    }
}

/// A row of the table: measured, or why it is missing.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) definition: &'static Definition,
    pub(crate) samples: Result<Samples, String>,
    /// It is missing though its parts are there.
    pub(crate) has_failed: bool,
}

impl Row {
    pub(crate) fn value(&self) -> Option<f64> {
        self.samples.as_ref().ok()?.value()
    }

    pub(crate) fn floor(&self) -> Option<f64> {
        self.samples.as_ref().ok()?.floor()
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        self.samples.as_ref().ok()?.ratio()
    }

    /// What the row is held to: the ratio, or without a floor the value.
    pub(crate) fn held(&self) -> Option<f64> {
        if self.definition.floor.is_empty() { self.value() } else { self.ratio() }
    }

    /// By how much the repeats of ours differ: (max − min) / median.
    pub(crate) fn spread(&self) -> Option<f64> {
        let values = &self.samples.as_ref().ok()?.values;
        let (least, most) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        Some((most - least) / median(values)?)
    }

    /// Whether it is not as good as `mark`.
    pub(crate) fn falls_short_of(&self, mark: f64) -> bool {
        self.held().is_some_and(|held| match self.definition.better {
            Better::Higher => held < mark,
            Better::Lower => held > mark,
        })
    }

    pub(crate) fn json(&self) -> Value {
        let Definition { name, unit, better, reach, good, .. } = self.definition;
        json!({
            "row": name,
            "unit": unit,
            "value": self.value(),
            "floor": self.floor(),
            "ratio": self.ratio(),
            "better": if *better == Better::Higher { "higher" } else { "lower" },
            "reach": reach,
            "good": good,
            "spread": self.spread(),
            "missing": self.samples.as_ref().err(),
            "short": self.falls_short_of(*reach),
        })
    }
}

/// `None` of nothing; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}
