//! What was printed against what the page shows, with its placeholders.

use std::collections::BTreeMap;

/// The values that placeholders have had so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Values(BTreeMap<String, String>);

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Literal(&'a str),
    /// The same value each time.
    Named(&'a str),
    /// Another value each time.
    Any,
}

impl Values {
    /// Line by line; what differs is said with the line and with what the placeholders stand for.
    pub(crate) fn compare(&mut self, expected: &[String], printed: &[String]) -> Result<(), String> {
        let (expected, printed) = (trimmed(expected), trimmed(printed));
        for number in 0..expected.len().max(printed.len()) {
            let (wanted, got) = (expected.get(number), printed.get(number));
            if !wanted.zip(got).is_some_and(|(wanted, got)| self.matches(wanted, got)) {
                let wanted = wanted.map_or_else(|| "nothing more".to_owned(), |line| self.filled_in(line));
                let got = got.copied().unwrap_or("nothing more");
                return Err(format!("line {} of the output\nexpected: {wanted}\n     got: {got}", number + 1));
            }
        }
        Ok(())
    }

    fn matches(&mut self, wanted: &str, got: &str) -> bool {
        let found = fits(&tokens(wanted), got, self);
        found.is_some_and(|values| {
            *self = values;
            true
        })
    }

    fn filled_in(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("<{name}>"), value))
    }
}

fn trimmed(lines: &[String]) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some((before, name, after)) = placeholder(rest) {
        tokens.extend((!before.is_empty()).then_some(Token::Literal(before)));
        tokens.push(if name.starts_with("any") { Token::Any } else { Token::Named(name) });
        rest = after;
    }
    tokens.extend((!rest.is_empty()).then_some(Token::Literal(rest)));
    tokens
}

/// What is before it, its name, and what is after it.
fn placeholder(line: &str) -> Option<(&str, &str, &str)> {
    line.match_indices('<').find_map(|(start, _)| {
        let (name, after) = line[start + 1..].split_once('>')?;
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        let is_name = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
        is_name.then(|| (&line[..start], name, after))
    })
}

/// The values with which the tokens are the text: the first that fit, longest first.
fn fits(tokens: &[Token<'_>], text: &str, values: &Values) -> Option<Values> {
    let Some((token, rest)) = tokens.split_first() else { return text.is_empty().then(|| values.clone()) };
    match token {
        Token::Literal(literal) => fits(rest, text.strip_prefix(literal)?, values),
        Token::Any => lengths(text, |c| c != '"').find_map(|length| fits(rest, &text[length..], values)),
        Token::Named(name) => {
            if let Some(value) = values.0.get(*name) {
                return fits(rest, text.strip_prefix(value.as_str())?, values);
            }
            lengths(text, |c| !c.is_whitespace() && !"\",{}".contains(c)).find_map(|length| {
                let mut values = values.clone();
                values.0.insert((*name).to_owned(), text[..length].to_owned());
                fits(rest, &text[length..], &values)
            })
        }
    }
}

/// Of the beginnings of the text that have only such characters, longest first; never empty.
fn lengths(text: &str, allowed: impl Fn(char) -> bool) -> impl Iterator<Item = usize> {
    let ends = text.char_indices().take_while(|(_, c)| allowed(*c)).map(|(start, c)| start + c.len_utf8());
    ends.collect::<Vec<usize>>().into_iter().rev()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn compare(expected: &str, printed: &str) -> Result<(), String> {
        Values::default().compare(&lines(expected), &lines(printed))
    }

    #[test]
    fn what_is_the_same_passes() {
        assert_eq!(compare("a\n\nb", "a \r\n\nb\n\n"), Ok(()));
        assert_eq!(compare(r#"{"id":"<id>","n":<n>}"#, r#"{"id":"5-a","n":17}"#), Ok(()));
        assert_eq!(compare("at /x/<id>?token=<token>", "at /x/5-a?token=MEBl"), Ok(()));
        assert_eq!(compare("date: <any date>", "date: Sun, 22 Nov 2026 10:34:46 GMT"), Ok(()));
        assert_eq!(compare("a < b > c <5>", "a < b > c <5>"), Ok(()), "not everything in brackets is a name");
    }

    #[test]
    fn a_wrong_line_a_missing_one_and_one_too_many_are_found() {
        let wrong = compare("a\nb", "a\nc").expect_err("wrong");
        assert!(wrong.contains("line 2") && wrong.contains("expected: b") && wrong.contains("got: c"), "{wrong}");
        assert!(compare("a\nb", "a").expect_err("missing").contains("got: nothing more"));
        assert!(compare("a", "a\nb").expect_err("too many").contains("expected: nothing more"));
        assert!(compare("a", "").is_err() && compare("", "a").is_err());
        assert!(compare("a", "ab").is_err() && compare("ab", "a").is_err());
    }

    #[test]
    fn a_placeholder_keeps_its_value_from_line_to_line_and_from_block_to_block() {
        assert_eq!(compare("<id> <id>", "1 1"), Ok(()));
        assert!(compare("<id> <id>", "1 2").is_err());
        let mut values = Values::default();
        assert_eq!(values.compare(&lines("made <id>"), &lines("made 17")), Ok(()));
        assert_eq!(values.compare(&lines("read <id>"), &lines("read 17")), Ok(()));
        let changed = values.compare(&lines("read <id>"), &lines("read 18")).expect_err("changed");
        assert!(changed.contains("expected: read 17"), "{changed}");
        assert!(values.compare(&lines("read <id>"), &lines("read 170")).is_err());
    }

    #[test]
    fn any_may_change() {
        assert_eq!(compare("<any time>\n<any time>", "1\n2"), Ok(()));
    }

    #[test]
    fn a_placeholder_stays_inside_its_field_and_is_never_empty() {
        for printed in [r#"{"a":"","b":1}"#, r#"{"a":"x y","b":1}"#, r#"{"a":"x","c":2,"b":1}"#] {
            assert!(compare(r#"{"a":"<a>","b":1}"#, printed).is_err(), "{printed}");
        }
        assert!(compare(r#""<any id>""#, r#""x","y""#).is_err());
        assert!(compare(r#"{"n":<n>}"#, r#"{"n":1,"m":2}"#).is_err());
    }
}
