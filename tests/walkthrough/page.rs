//! From the page to its steps.

/// One block of commands, and what they print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) heading: String,
    /// Of the opening fence, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) commands: String,
    pub(crate) expected: Vec<String>,
}

/// Who does it, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Shell,
    Kcat,
    Start,
    Stop,
}

impl Step {
    pub(crate) fn place(&self) -> String {
        format!("docs/WALKTHROUGH.md:{}: {}", self.line, self.heading)
    }
}

/// One fenced block, and whether anything but empty lines stands between it and the block before.
struct Block {
    heading: String,
    line: usize,
    label: String,
    body: Vec<String>,
    follows: bool,
}

fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    let (mut heading, mut follows) = (String::new(), false);
    for (line, text) in (1..).zip(page.lines()) {
        match (open.as_mut(), text.strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => block.body.push(text.to_owned()),
            (None, Some(label)) => {
                let (heading, label) = (heading.clone(), label.to_owned());
                open = Some(Block { heading, line, label, body: Vec::new(), follows });
            }
            (None, None) if text.trim().is_empty() => continue,
            (None, None) => {
                if let Some(title) = text.strip_prefix("## ") {
                    title.clone_into(&mut heading);
                }
            }
        }
        follows = text == "```";
    }
    open.map_or(Ok(found), |block| Err(format!("the block of line {} has no end", block.line)))
}

/// The steps, in order. Refuses what the grammar does not have.
pub(crate) fn parse(page: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut last_is_step = false;
    for block in blocks(page)? {
        let kind = match block.label.as_str() {
            "sh" => Kind::Shell,
            "sh kcat" => Kind::Kcat,
            "sh start" => Kind::Start,
            "sh stop" => Kind::Stop,
            "text" => {
                let step = steps.last_mut().filter(|_| last_is_step && block.follows);
                step.ok_or_else(|| format!("the output of line {} follows no commands", block.line))?.expected =
                    block.body;
                last_is_step = false;
                continue;
            }
            other => return Err(format!("line {}: a block can not be {other:?}", block.line)),
        };
        last_is_step = true;
        let Block { heading, line, body, .. } = block;
        steps.push(Step { heading, line, kind, commands: body.join("\n"), expected: Vec::new() });
    }
    if steps.is_empty() { Err("there are no steps".to_owned()) } else { Ok(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_output_are_a_step() {
        let page =
            "# T\n\n## One\n\nwhy\n\n```sh\na\nb\n```\n\n```text\nx\n```\n\n## Two\n\n```sh kcat\nc\n```\n\nend\n";
        let steps = parse(page).expect("a page");
        let [one, two] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!((one.heading.as_str(), one.line, one.kind, one.commands.as_str()), ("One", 7, Kind::Shell, "a\nb"));
        assert_eq!(one.expected, ["x"]);
        assert_eq!((two.heading.as_str(), two.kind, two.expected.len()), ("Two", Kind::Kcat, 0));
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for (page, fault) in [
            ("no blocks", "no steps"),
            ("```sh\na\n", "no end"),
            ("```text\nx\n```\n", "follows no commands"),
            ("```sh\na\n```\nprose\n```text\nx\n```\n", "follows no commands"),
            ("```sh\na\n```\n```text\nx\n```\n```text\nx\n```\n", "follows no commands"),
            ("```sh skip\na\n```\n", "can not be"),
        ] {
            let error = parse(page).expect_err(page);
            assert!(error.contains(fault), "{page}: {error}");
        }
    }
}
