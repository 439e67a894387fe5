//! JSON objects written member by member, for what is written with each request.
//!
//! Most of it is names of our own, ids and times, in which nothing need be escaped; `serde_json` looks at each byte of them.

use std::ops::Range;

use serde::Serialize;

/// The name of a member, with what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Name(
    #[doc(hidden)]
    /// `,"name":"`
    pub &'static str,
);

/// The [`Name`] of a member.
#[macro_export]
macro_rules! name {
    ($name:literal) => {
        $crate::json::Name(concat!(",\"", $name, "\":\""))
    };
}

pub use name;

/// An object that is being written. Nobody compares its names: each must be given once.
#[derive(Debug)]
pub struct ObjectWriter(Vec<u8>);

impl ObjectWriter {
    /// Without members yet. It grows beyond so many bytes when it must.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A text from an alphabet in which nothing need be escaped. Gives the place of the text in the JSON.
    pub fn plain(&mut self, name: Name, text: &str) -> Range<usize> {
        self.plain_by(name, |json| json.extend_from_slice(text.as_bytes()))
    }

    /// The same of a text that `write` appends.
    pub fn plain_by(&mut self, name: Name, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        self.begin(name.0);
        let start = self.0.len();
        write(&mut self.0);
        let place = start..self.0.len();
        debug_assert!(is_plain(&self.0[place.clone()]), "{name:?} must be escaped");
        self.0.push(b'"');
        place
    }

    /// Any value; what must be escaped is.
    pub fn value(&mut self, name: Name, value: &impl Serialize) {
        self.begin(name.before_a_value());
        serde_json::to_writer(&mut self.0, value).expect("ids, numbers and text always serialise");
    }

    /// A value that is JSON already.
    pub fn json(&mut self, name: Name, json: &[u8]) {
        self.begin(name.before_a_value());
        self.0.extend_from_slice(json);
    }

    /// The object, whole.
    pub fn end(self) -> Vec<u8> {
        let Self(mut json) = self;
        json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
        json
    }

    fn begin(&mut self, name: &str) {
        self.0.extend_from_slice(name.as_bytes());
        if self.0.len() == name.len() {
            self.0[0] = b'{';
        }
    }
}

impl Name {
    fn before_a_value(self) -> &'static str {
        &self.0[..self.0.len() - 1]
    }
}

fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&b| b >= b' ' && b != b'"' && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_reads_back_and_a_plain_one_stands_where_it_is_said_to() {
        let mut object = ObjectWriter::with_capacity(4);
        let places = [
            object.plain(name!("plain"), "a-b"),
            object.plain_by(name!("written"), |json| json.extend_from_slice(b"c")),
        ];
        object.value(name!("text"), &"a \"quoted\"\n\\");
        object.json(name!("data"), br#"{"a":[1,null]}"#);
        let json = object.end();
        assert_eq!(places.map(|place| &json[place]), [&b"a-b"[..], b"c"]);
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let expected = serde_json::json!(
            {"plain": "a-b", "written": "c", "text": "a \"quoted\"\n\\", "data": {"a": [1, null]}}
        );
        assert_eq!(read, expected);
        assert_eq!(ObjectWriter::with_capacity(0).end(), b"{}");
    }

    #[test]
    fn what_must_be_escaped_is_not_plain() {
        assert!(is_plain("http://ä.example/~b".as_bytes()) && is_plain(b""));
        for text in ["\"", "a\\b", "\n", "\u{1f}"] {
            assert!(!is_plain(text.as_bytes()), "{text:?}");
        }
    }
}
