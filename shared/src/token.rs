//! Consistency tokens: "the log and the offset of my write", opaque to clients.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Which log this is: Kafka's cluster id, or the UUID that an embedded broker makes at its start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(Arc<str>);

impl LogId {
    const EMBEDDED: &'static str = "embedded:";

    /// A real cluster's id.
    pub fn cluster(id: &str) -> Self {
        Self(id.into())
    }

    /// The log of an embedded broker, new each time one starts.
    pub fn new_embedded() -> Self {
        Self(format!("{}{}", Self::EMBEDDED, crate::id::random()).into())
    }

    /// An embedded log ends with its process, so a new one may follow by itself.
    pub fn is_embedded(&self) -> bool {
        self.0.starts_with(Self::EMBEDDED)
    }

    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a write stands in the log: a reader that sends it back sees that write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// The log.
    pub log: LogId,
    /// The offset that the broker acknowledged.
    pub offset: i64,
}

/// The text is no token that a 202 carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency token as a 202 carried it")]
pub struct InvalidToken;

impl ConsistencyToken {
    /// Reads one token.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        if text.len() > 512 {
            return Err(InvalidToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        let inner = String::from_utf8(bytes).map_err(|_| InvalidToken)?;
        let (offset, log) = inner.split_once('@').ok_or(InvalidToken)?;
        let offset: i64 = offset.parse().map_err(|_| InvalidToken)?;
        if offset < 0 || log.is_empty() {
            return Err(InvalidToken);
        }
        Ok(Self { log: LogId(log.into()), offset })
    }

    /// As a 202 carries it.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.offset.to_string(), "@", self.log.as_str()].concat())
    }

    /// Reads one token, or several separated by commas; at most 16.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, InvalidToken> {
        let tokens = text.split(',').map(|token| Self::parse(token.trim())).collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > 16 { Err(InvalidToken) } else { Ok(tokens) }
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl Serialize for ConsistencyToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        for log in [LogId::cluster("MkU3OEVBNTcwNTJENDM2Qg"), LogId::new_embedded()] {
            for offset in [0, 9, 10, 42, i64::MAX] {
                let token = ConsistencyToken { log: log.clone(), offset };
                let text = token.to_text();
                // No longer than it must be: a header that is made of it needs no room of its own.
                assert_eq!((text.capacity(), token.to_string()), (text.len(), text));
                assert_eq!(ConsistencyToken::parse(&token.to_text()), Ok(token));
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "x", "LTFAYQ", "MUA", "ä", "NDJAbG9n="] {
            assert_eq!(ConsistencyToken::parse(wrong), Err(InvalidToken), "{wrong}");
        }
        assert!(ConsistencyToken::parse_list(&vec!["NDJAbG9n"; 17].join(",")).is_err());
    }
}
