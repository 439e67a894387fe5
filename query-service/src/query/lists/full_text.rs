//! What `search` asks of the index of full text.

/// Words that SKU, name and description of an item must have, whatever the case and the accents; the last one may be the
/// beginning of a word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FullText(Vec<String>);

impl FullText {
    /// Splits at blanks. What has neither a letter nor a digit is no word; signs inside one separate words that must
    /// follow each other, as the index has them.
    pub(crate) fn of(text: &str) -> Self {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
        Self(words.map(str::to_owned).collect())
    }

    /// Whether it has no word.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As FTS5 takes it: each word is a string in quotes, so that none of its syntax gets through.
    pub(super) fn query(&self) -> String {
        let quoted: Vec<String> = self.0.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        format!("{}*", quoted.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn nothing_that_anyone_can_type_is_syntax() {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE VIRTUAL TABLE t USING fts5 (a, tokenize = \"unicode61 remove_diacritics 2\")";
        connection.execute_batch(table).unwrap();
        connection.execute("INSERT INTO t VALUES ('USB-C cable, Größe \"XL\" NOT new')", []).unwrap();
        let finds = |text: &str| -> bool {
            let query = FullText::of(text).query();
            let sql = "SELECT count(*) FROM t WHERE t MATCH ?1";
            connection.query_row(sql, [query], |row| row.get::<_, i64>(0)).expect(text) == 1
        };
        for text in
            ["usb", "cab", "Cable USB", "größe", "GRO", "usb-c", "\"xl\"", "xl\" NOT n", "c* & cable", "NEW not"]
        {
            assert!(finds(text), "{text}");
        }
        for text in [
            "able",
            "usb cable2",
            "us cable",
            "a:usb",
            "(usb OR x)",
            "usb\0x y",
            "NEAR(usb c)",
            "^cable",
            "AND",
            "c-usb",
        ] {
            let expected = text == "^cable";
            assert_eq!(finds(text), expected, "{text}");
        }
    }

    #[test]
    fn signs_alone_are_no_words() {
        for text in ["", "  ", "- & \" *", "\0"] {
            assert!(FullText::of(text).is_empty(), "{text:?}");
        }
    }
}
