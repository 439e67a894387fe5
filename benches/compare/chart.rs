//! The rows as a chart: what each is held to as a share of its reach, so that all fit on one axis.

use std::fmt::Write as _;

use crate::report::{costs, number};
use crate::row::{Better, Row};

const WIDTH: f64 = 1400.0;
const LABELS: f64 = 190.0;
const BARS: f64 = 400.0;
const LINE: f64 = 40.0;
const TOP: f64 = 22.0;
/// What the end of the axis stands for: so many times the reach.
const MOST: f64 = 2.5;

/// An SVG for both light and dark pages.
pub(crate) fn svg(rows: &[Row]) -> String {
    let height = TOP + LINE * f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let reach = LABELS + BARS / MOST;
    let _ = writeln!(svg, "<text x=\"{reach}\" y=\"14\" text-anchor=\"middle\">reach</text>");
    let mut top = TOP;
    for row in rows {
        line(&mut svg, row, top);
        top += LINE;
    }
    let _ = writeln!(svg, "<line x1=\"{reach}\" y1=\"{TOP}\" x2=\"{reach}\" y2=\"{top}\" stroke=\"#333\"/>");
    svg + "</svg>\n"
}

fn line(svg: &mut String, row: &Row, top: f64) {
    let definition = row.definition;
    let base = top + 15.0;
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>", LABELS - 8.0, definition.name);
    let Some(held) = row.held() else {
        let _ = writeln!(svg, "<text x=\"{LABELS}\" y=\"{base}\" fill=\"#888\">missing</text>");
        return;
    };
    let (width, good) = (share(row, held) * BARS / MOST, share(row, definition.good) * BARS / MOST);
    let colour = match row {
        row if row.falls_short_of(definition.reach) => "#c0392b",
        row if row.falls_short_of(definition.good) => "#d4a017",
        _ => "#2e8b57",
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{LABELS}\" y=\"{}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
         <line x1=\"{good:.1}\" y1=\"{top}\" x2=\"{good:.1}\" y2=\"{}\" stroke=\"#333\" stroke-dasharray=\"2 2\"/>\n\
         <text x=\"{}\" y=\"{base}\">{}</text>",
        top + 4.0,
        top + 22.0,
        LABELS + BARS + 12.0,
        figures(row),
        good = LABELS + good,
    );
    let costs = row.samples.as_ref().map(costs).unwrap_or_default().join("; ");
    let below = top + 31.0;
    let _ = writeln!(svg, "<text x=\"{LABELS}\" y=\"{below}\" font-size=\"9\" fill=\"#666\">{costs}</text>");
}

/// How good it is, where the reach is 1.
fn share(row: &Row, held: f64) -> f64 {
    let share = match row.definition.better {
        Better::Higher => held / row.definition.reach,
        Better::Lower => row.definition.reach / held,
    };
    share.clamp(0.0, MOST)
}

fn figures(row: &Row) -> String {
    let spread = row.spread().unwrap_or_default() * 100.0;
    let value = format!("{} {}, spread {spread:.0}%", number(row.value()), row.definition.unit);
    match row.ratio() {
        Some(ratio) => {
            format!("{value}; {} of {} ({})", number(Some(ratio)), number(row.floor()), row.definition.floor)
        }
        None => value,
    }
}
