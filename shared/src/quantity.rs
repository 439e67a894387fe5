//! Whole numbers of units, bounded so that no sum of two can overflow.

use serde::{Deserialize, Deserializer, Serialize};

/// The most units that one level may hold, and that one command may name.
pub const MAX_UNITS: i64 = 1_000_000_000;

/// Outside the allowed range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not in `min..=1_000_000_000`.
    #[error("must be a whole number from {min} to 1000000000")]
    OutOfRange {
        /// The least allowed number.
        min: i64,
    },
    /// A change of nothing.
    #[error("must not be 0")]
    Zero,
}

impl QuantityError {
    /// The stable code for a field at fault.
    pub fn code(&self) -> &'static str {
        "OUT_OF_RANGE"
    }
}

/// 0 to 1,000,000,000 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Quantity(i64);

/// 1 to 1,000,000,000 units: what a reservation or a release names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PositiveQuantity(i64);

/// A signed change, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Adjustment(i64);

impl Quantity {
    /// No units.
    pub const ZERO: Self = Self(0);

    /// Refuses what is below 0 or above [`MAX_UNITS`].
    pub fn parse(units: i64) -> Result<Self, QuantityError> {
        if (0..=MAX_UNITS).contains(&units) { Ok(Self(units)) } else { Err(QuantityError::OutOfRange { min: 0 }) }
    }

    /// The number of units.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl PositiveQuantity {
    /// Refuses what is below 1 or above [`MAX_UNITS`].
    pub fn parse(units: i64) -> Result<Self, QuantityError> {
        if (1..=MAX_UNITS).contains(&units) { Ok(Self(units)) } else { Err(QuantityError::OutOfRange { min: 1 }) }
    }

    /// The number of units.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl Adjustment {
    /// Refuses 0 and what is further from 0 than [`MAX_UNITS`].
    pub fn parse(units: i64) -> Result<Self, QuantityError> {
        if units == 0 {
            Err(QuantityError::Zero)
        } else if (-MAX_UNITS..=MAX_UNITS).contains(&units) {
            Ok(Self(units))
        } else {
            Err(QuantityError::OutOfRange { min: -MAX_UNITS })
        }
    }

    /// The signed number of units.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PositiveQuantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Adjustment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_quantity_keeps_its_range() {
        assert!(Quantity::parse(0).is_ok() && Quantity::parse(MAX_UNITS).is_ok());
        assert!(Quantity::parse(-1).is_err() && Quantity::parse(MAX_UNITS + 1).is_err());
        assert!(PositiveQuantity::parse(1).is_ok() && PositiveQuantity::parse(0).is_err());
        assert_eq!(Adjustment::parse(0), Err(QuantityError::Zero));
        assert!(Adjustment::parse(-MAX_UNITS).is_ok() && Adjustment::parse(-MAX_UNITS - 1).is_err());
        assert!(Adjustment::parse(i64::MIN).is_err());
    }
}
