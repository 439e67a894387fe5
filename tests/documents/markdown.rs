//! As much of Markdown as the pages need.

/// What is below the heading (with its marks, `## Name`), up to the next one of its level or above. Panics if the page
/// does not have it exactly once.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let starts: Vec<usize> = page
        .match_indices(heading)
        .filter(|(at, _)| *at == 0 || page[..*at].ends_with('\n'))
        .map(|(at, _)| at + heading.len())
        .filter(|end| page[*end..].starts_with('\n'))
        .collect();
    let [start] = starts.as_slice() else { panic!("the page has {heading:?} {} times", starts.len()) };
    let level = heading.chars().take_while(|c| *c == '#').count();
    let below = &page[*start..];
    let ends = |marks: usize| below.find(&format!("\n{} ", "#".repeat(marks)));
    let end = (1..=level).filter_map(ends).min().unwrap_or(below.len());
    &below[..end]
}

/// The texts of the headings of exactly that level.
pub(crate) fn headings(text: &str, level: usize) -> Vec<String> {
    let marks = format!("{} ", "#".repeat(level));
    text.lines().filter_map(|line| line.strip_prefix(&marks)).map(str::to_owned).collect()
}

/// The cells of every table's rows, without its head; code marks are taken off.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &&str| line.starts_with('|');
    let is_rule = |line: &str| line.starts_with("|---");
    lines
        .iter()
        .enumerate()
        .filter(|(at, line)| is_row(line) && !is_rule(line) && !lines.get(at + 1).is_some_and(|next| is_rule(next)))
        .map(|(_, line)| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

/// The first cell of each row.
pub(crate) fn first_column(text: &str) -> Vec<String> {
    rows(text).into_iter().map(|mut cells| cells.swap_remove(0)).collect()
}

/// The bodies of the fenced blocks of that language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            found.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# T\n\n## A\n\n| x | y |\n|---|---|\n| `1` | a |\n| 2 | b |\n\n### C\n\n```json\n{}\n```\n\n## AB\nz\n";

    #[test]
    fn sections_tables_and_blocks_are_read() {
        let a = section(PAGE, "## A");
        assert_eq!(rows(a), [["1", "a"], ["2", "b"]]);
        assert_eq!(first_column(a), ["1", "2"]);
        assert_eq!(headings(PAGE, 2), ["A", "AB"]);
        assert_eq!(blocks(section(PAGE, "### C"), "json"), ["{}"]);
        assert_eq!(section(PAGE, "## AB"), "\nz\n");
    }

    #[test]
    #[should_panic(expected = "0 times")]
    fn a_missing_section_is_a_failure() {
        section(PAGE, "## Missing");
    }
}
