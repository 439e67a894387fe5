//! Prices: a whole number of a currency's minor unit, so that no fraction is ever rounded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The greatest price, in minor units.
pub const MAX_AMOUNT_MINOR: i64 = 1_000_000_000_000;

/// Why a price was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not in `0..=10^12`.
    #[error("must be a whole number from 0 to {MAX_AMOUNT_MINOR}")]
    OutOfRange,
    /// No code of ISO 4217, or not in capitals.
    #[error("must be a currency code of ISO 4217, such as EUR")]
    NoCurrency,
}

impl PriceError {
    /// The stable code for a field at fault.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::NoCurrency => "INVALID_FORMAT",
        }
    }
}

/// A currency of ISO 4217, by its three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(iso_currency::Currency);

/// An amount in the minor unit of its currency, cents say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct AmountMinor(i64);

/// What one unit costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// In the minor unit of the currency.
    pub amount_minor: AmountMinor,
    /// Of ISO 4217.
    pub currency: Currency,
}

impl Currency {
    /// Accepts the codes of ISO 4217, in capitals.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let known = iso_currency::Currency::from_str(text).ok().filter(|currency| currency.code() == text);
        known.map(Self).ok_or(PriceError::NoCurrency)
    }

    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl AmountMinor {
    /// Refuses what is below 0 or above [`MAX_AMOUNT_MINOR`].
    pub fn parse(amount: i64) -> Result<Self, PriceError> {
        if (0..=MAX_AMOUNT_MINOR).contains(&amount) { Ok(Self(amount)) } else { Err(PriceError::OutOfRange) }
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for AmountMinor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_one_of_the_standard_in_capitals() {
        assert_eq!(Currency::parse("EUR").map(Currency::code), Ok("EUR"));
        for wrong in ["", "eur", "EU", "EURO", "QQQ"] {
            assert_eq!(Currency::parse(wrong), Err(PriceError::NoCurrency), "{wrong}");
        }
    }

    #[test]
    fn an_amount_keeps_its_range() {
        assert_eq!(AmountMinor::parse(MAX_AMOUNT_MINOR).map(AmountMinor::minor), Ok(MAX_AMOUNT_MINOR));
        assert!(AmountMinor::parse(-1).is_err() && AmountMinor::parse(MAX_AMOUNT_MINOR + 1).is_err());
    }
}
