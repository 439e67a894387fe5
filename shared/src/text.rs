//! Text that entered the system: parsed once, then known to keep its rule.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text was refused. Lengths are in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Too short; most often empty.
    #[error("must have at least {min} character(s)")]
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// Too long.
    #[error("must have at most {max} characters, has {length}")]
    TooLong {
        /// The greatest number of characters.
        max: usize,
        /// What was sent.
        length: usize,
    },
    /// A control character.
    #[error("must not hold control characters (found U+{0:04X})")]
    ControlCharacter(u32),
    /// A SKU or store id outside its alphabet.
    #[error("must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or a digit")]
    NotACode,
}

impl TextError {
    /// The stable code for a field at fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "TOO_SHORT",
            Self::TooLong { .. } => "TOO_LONG",
            Self::ControlCharacter(_) => "CONTROL_CHARACTER",
            Self::NotACode => "INVALID_FORMAT",
        }
    }
}

/// What a [`Code`] can name.
pub mod kind {
    /// A stock keeping unit.
    #[derive(Debug)]
    pub enum Sku {}
    /// A store.
    #[derive(Debug)]
    pub enum Store {}
}

/// 1 to 64 of `A-Z a-z 0-9 . _ -`, the first a letter or a digit; case-sensitive.
pub struct Code<Kind>(Box<str>, PhantomData<fn() -> Kind>);

/// The merchant's own name for an item; it never changes.
pub type Sku = Code<kind::Sku>;
/// The name of a store.
pub type StoreId = Code<kind::Store>;

impl<Kind> Code<Kind> {
    /// Refuses anything outside the alphabet, surrounding blanks included.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut bytes = text.bytes();
        let begins_well = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on_well = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if begins_well && goes_on_well && text.len() <= 64 {
            Ok(Self(text.into(), PhantomData))
        } else {
            Err(TextError::NotACode)
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StoreId {
    /// The store that always exists.
    pub const MAIN: &'static str = "main";

    /// The store that always exists.
    pub fn main() -> Self {
        Self(Self::MAIN.into(), PhantomData)
    }

    /// Whether it is the store that always exists and stays active.
    pub fn is_main(&self) -> bool {
        self.as_str() == Self::MAIN
    }
}

impl<Kind> fmt::Display for Code<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<Kind> fmt::Debug for Code<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<Kind> Clone for Code<Kind> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<Kind> PartialEq for Code<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<Kind> Eq for Code<Kind> {}

impl<Kind> PartialOrd for Code<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Code<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<Kind> Hash for Code<Kind> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Kind> Serialize for Code<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, Kind> Deserialize<'de> for Code<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Trimmed text of `MIN` to `MAX` characters without control characters; with `LINES`, line breaks are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize, const LINES: bool>(Box<str>);

/// An item's name.
pub type Name = Text<1, 200, false>;
/// An item's description; may hold line breaks.
pub type Description = Text<0, 2000, true>;
/// Why stock was changed.
pub type Reason = Text<0, 200, false>;
/// The caller's own reference for a change, a delivery note's number say.
pub type Reference = Text<1, 64, false>;
/// What kind of thing an item is; the merchant's own words.
pub type Category = Text<1, 100, false>;
/// Where a store is.
pub type Location = Text<0, 200, false>;
/// The caller's own name for an order.
pub type OrderId = Text<1, 64, false>;
/// The caller's own name for a customer.
pub type CustomerId = Text<1, 64, false>;

impl<const MIN: usize, const MAX: usize, const LINES: bool> Text<MIN, MAX, LINES> {
    /// Trims, then checks the length and the characters.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        let allowed = |c: char| !c.is_control() || (LINES && matches!(c, '\n' | '\r'));
        if let Some(control) = text.chars().find(|&c| !allowed(c)) {
            return Err(TextError::ControlCharacter(u32::from(control)));
        }
        let length = text.chars().count();
        if length < MIN {
            return Err(TextError::TooShort { min: MIN });
        }
        if length > MAX {
            return Err(TextError::TooLong { max: MAX, length });
        }
        Ok(Self(text.into()))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MIN: usize, const MAX: usize, const LINES: bool> Deserialize<'de> for Text<MIN, MAX, LINES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_keeps_its_alphabet_and_its_length() {
        for right in ["A", "PROD-001", "0.9_x", &"a".repeat(64)] {
            assert!(Sku::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "-A", ".a", "_a", "a b", " a", "ä", "a/b", "a\n", &"a".repeat(65)] {
            assert_eq!(Sku::parse(wrong), Err(TextError::NotACode), "{wrong:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters_after_trimming() {
        let longest = "é".repeat(200);
        assert_eq!(Name::parse(&format!("  {longest} ")).map(|n| n.as_str().chars().count()), Ok(200));
        assert_eq!(Name::parse(&"é".repeat(201)), Err(TextError::TooLong { max: 200, length: 201 }));
        assert_eq!(Name::parse("  "), Err(TextError::TooShort { min: 1 }));
    }

    #[test]
    fn only_a_description_may_hold_line_breaks_and_nothing_other_control_characters() {
        assert!(Description::parse("a\r\nb").is_ok());
        assert_eq!(Description::parse("a\tb"), Err(TextError::ControlCharacter(9)));
        assert_eq!(Name::parse("a\nb"), Err(TextError::ControlCharacter(10)));
        assert_eq!(Name::parse("a\u{7f}"), Err(TextError::ControlCharacter(0x7f)));
    }
}
