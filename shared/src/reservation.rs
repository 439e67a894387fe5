//! The values of reservations: lines, deadlines, and the states that one goes through.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::ItemId;
use crate::quantity::{PositiveQuantity, QuantityError};

/// The most lines that a reservation has.
pub const MAX_LINES: usize = 100;

/// So many units of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The item.
    pub item_id: ItemId,
    /// How many units.
    pub quantity: PositiveQuantity,
}

/// Why lines were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// None, or more than [`MAX_LINES`].
    #[error("must have 1 to {MAX_LINES} lines, has {0}")]
    WrongNumber(usize),
    /// The lines of one item together.
    #[error("the lines of item {0} together must be at most 1000000000 units")]
    TooManyUnits(ItemId),
}

impl LinesError {
    /// The stable code for a field at fault.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongNumber(0) => "TOO_SHORT",
            Self::WrongNumber(_) => "TOO_LONG",
            Self::TooManyUnits(_) => "OUT_OF_RANGE",
        }
    }
}

/// 1 to 100 lines, one an item, in the order in which the items were first named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Lines(Box<[Line]>);

impl Lines {
    /// Lines of one item are summed; they count singly towards the bound.
    pub fn parse(lines: impl IntoIterator<Item = Line>) -> Result<Self, LinesError> {
        let mut count = 0;
        let mut merged: Vec<Line> = Vec::new();
        for line in lines {
            count += 1;
            if count > MAX_LINES {
                continue;
            }
            match merged.iter_mut().find(|known| known.item_id == line.item_id) {
                Some(known) => {
                    known.quantity = PositiveQuantity::parse(known.quantity.units() + line.quantity.units())
                        .map_err(|_: QuantityError| LinesError::TooManyUnits(line.item_id))?;
                }
                None => merged.push(line),
            }
        }
        if (1..=MAX_LINES).contains(&count) { Ok(Self(merged.into())) } else { Err(LinesError::WrongNumber(count)) }
    }

    /// The lines.
    pub fn as_slice(&self) -> &[Line] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Vec::<Line>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// For how long stock is held, in whole seconds: 1 to 86,400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ttl(u32);

/// Not in `1..=86400`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of seconds from 1 to {}", Ttl::MAX_SECONDS)]
pub struct TtlError;

impl Ttl {
    /// A day.
    pub const MAX_SECONDS: u32 = 86_400;
    /// Ten minutes.
    pub const DEFAULT: Self = Self(600);

    /// Refuses what is below a second or above a day.
    pub fn parse(seconds: i64) -> Result<Self, TtlError> {
        u32::try_from(seconds)
            .ok()
            .filter(|seconds| (1..=Self::MAX_SECONDS).contains(seconds))
            .map(Self)
            .ok_or(TtlError)
    }

    /// As milliseconds.
    pub fn millis(self) -> i64 {
        i64::from(self.0) * 1000
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Where a reservation stands. It begins pending, and each other state is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReservationStatus {
    /// It holds stock.
    Pending,
    /// Some or all of what it held was issued; the rest was given back.
    Confirmed,
    /// All of it was given back on request.
    Released,
    /// All of it was given back because its deadline passed.
    Expired,
}

impl ReservationStatus {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Confirmed, Self::Released, Self::Expired];

    /// As the table and the contract write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl fmt::Display for ReservationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(item: u128, units: i64) -> Line {
        Line {
            item_id: ItemId::from_uuid(uuid::Uuid::from_u128(item)),
            quantity: PositiveQuantity::parse(units).unwrap(),
        }
    }

    #[test]
    fn lines_of_one_item_are_summed_in_the_place_of_the_first() {
        let lines = Lines::parse([line(2, 1), line(1, 5), line(2, 3)]).unwrap();
        assert_eq!(lines.as_slice(), [line(2, 4), line(1, 5)]);
    }

    #[test]
    fn a_reservation_has_1_to_100_lines_and_no_sum_beyond_what_a_level_holds() {
        assert_eq!(Lines::parse([]), Err(LinesError::WrongNumber(0)));
        assert!(Lines::parse((0..100).map(|n| line(n, 1))).is_ok());
        assert_eq!(Lines::parse((0..101).map(|n| line(n % 2, 1))), Err(LinesError::WrongNumber(101)));
        let too_many = Lines::parse([line(1, 1_000_000_000), line(1, 1)]);
        assert_eq!(too_many, Err(LinesError::TooManyUnits(line(1, 1).item_id)));
    }

    #[test]
    fn a_deadline_is_a_second_to_a_day_away() {
        assert_eq!(Ttl::parse(1).map(Ttl::millis), Ok(1000));
        assert_eq!(Ttl::parse(86_400).map(Ttl::millis), Ok(86_400_000));
        for wrong in [0, -1, 86_401, i64::MAX] {
            assert_eq!(Ttl::parse(wrong), Err(TtlError));
        }
    }
}
