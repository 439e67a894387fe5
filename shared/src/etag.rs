//! Entity tags: the version of one document, in the form that `If-Match` sends back.

use std::fmt;

/// The version that a read document shows, by kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ETag {
    /// `"i<version>-<sum of its stock versions>"`; only the first part is compared by `If-Match`.
    Item {
        /// The item's version.
        version: u64,
        /// The sum of the versions of its stock levels.
        stock: u64,
    },
    /// `"s<version>"`: a stock level.
    Stock {
        /// The level's version.
        version: u64,
    },
    /// `"r<version>"`: a reservation.
    Reservation {
        /// The reservation's version.
        version: u64,
    },
    /// `"t<version>"`: a store.
    Store {
        /// The store's version.
        version: u64,
    },
}

/// Which document a command changes, and so whose tag its `If-Match` must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ETagKind {
    /// The item's.
    Item,
    /// The stock level's.
    Stock,
    /// The reservation's.
    Reservation,
    /// The store's.
    Store,
}

/// The header is no single strong tag of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one strong entity tag as a read answered it, such as \"i3-7\" of an item, \"s4\" of a stock level, \"r2\" of \
     a reservation or \"t1\" of a store"
)]
pub struct InvalidETag;

impl ETag {
    /// Accepts exactly one strong tag as this service writes it, quotes included.
    pub fn parse(text: &str) -> Result<Self, InvalidETag> {
        let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(InvalidETag)?;
        if let Some(item) = inner.strip_prefix('i') {
            let (version, stock) = item.split_once('-').ok_or(InvalidETag)?;
            Ok(Self::Item { version: number(version)?, stock: number(stock)? })
        } else if let Some(version) = inner.strip_prefix('s') {
            Ok(Self::Stock { version: number(version)? })
        } else if let Some(version) = inner.strip_prefix('r') {
            Ok(Self::Reservation { version: number(version)? })
        } else if let Some(version) = inner.strip_prefix('t') {
            Ok(Self::Store { version: number(version)? })
        } else {
            Err(InvalidETag)
        }
    }

    /// Whose tag this is.
    pub const fn kind(self) -> ETagKind {
        match self {
            Self::Item { .. } => ETagKind::Item,
            Self::Stock { .. } => ETagKind::Stock,
            Self::Reservation { .. } => ETagKind::Reservation,
            Self::Store { .. } => ETagKind::Store,
        }
    }

    /// The version that a command with this tag expects.
    pub const fn version(self) -> u64 {
        match self {
            Self::Item { version, .. }
            | Self::Stock { version }
            | Self::Reservation { version }
            | Self::Store { version } => version,
        }
    }
}

fn number(digits: &str) -> Result<u64, InvalidETag> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidETag);
    }
    digits.parse().map_err(|_| InvalidETag)
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item { version, stock } => write!(f, "\"i{version}-{stock}\""),
            Self::Stock { version } => write!(f, "\"s{version}\""),
            Self::Reservation { version } => write!(f, "\"r{version}\""),
            Self::Store { version } => write!(f, "\"t{version}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_as_it_was_written() {
        for tag in [
            ETag::Item { version: 3, stock: 7 },
            ETag::Stock { version: 0 },
            ETag::Reservation { version: 2 },
            ETag::Store { version: 1 },
        ] {
            assert_eq!(ETag::parse(&tag.to_string()), Ok(tag));
        }
    }

    #[test]
    fn lists_weak_tags_wildcards_and_strangers_are_refused() {
        for wrong in ["", "*", "W/\"s1\"", "\"s1\", \"s2\"", "s1", "\"i1\"", "\"x1\"", "\"s+1\"", "\"s\"", "\"i1-\""] {
            assert_eq!(ETag::parse(wrong), Err(InvalidETag), "{wrong}");
        }
    }
}
