//! Time, at the one place that reads the machine's clock.

use std::fmt;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What RFC 3339 can write, cut to what jiff can: it keeps a day at the end for time zones.
const YEAR_0: i64 = -62_167_219_200_000;
const YEAR_9999: i64 = 253_402_207_200_000;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// A moment, in milliseconds since 1970 UTC; written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The machine's wall clock. It may step; whoever needs order uses the writer's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn wall_clock() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// From milliseconds since 1970 UTC; what RFC 3339 cannot write is held to its bounds.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(YEAR_0, YEAR_9999))
    }

    /// Milliseconds since 1970 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by this many milliseconds.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Reads RFC 3339; anything finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self::from_millis(moment.as_millisecond()))
    }

    /// Writes it as [`Display`](fmt::Display) does, without the formatter's detours.
    pub fn write_to(self, text: &mut Vec<u8>) {
        PRINTER.print_timestamp(&self.moment(), text).expect("a vector takes all");
    }

    fn moment(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).expect("kept inside jiff's range when made")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.moment())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_in_utc() {
        let moment = Timestamp::from_millis(1_763_806_200_000);
        assert_eq!(moment.to_string(), "2025-11-22T10:10:00.000Z");
        assert_eq!(Timestamp::parse("2025-11-22T11:10:00.0009+01:00"), Some(moment));
        assert_eq!(Timestamp::parse("yesterday"), None);
        for moment in
            [moment, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX), Timestamp::from_millis(i64::MIN)]
        {
            let mut text = Vec::new();
            moment.write_to(&mut text);
            assert_eq!(String::from_utf8(text), Ok(moment.to_string()));
        }
    }
}
