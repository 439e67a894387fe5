//! What a command is about: an item, a reservation or a store, each with its own kind of id.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::id::{ItemId, ReservationId};
use crate::text::StoreId;

/// Which kind of aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKind {
    /// An item, with its stock levels.
    Item,
    /// A reservation.
    Reservation,
    /// A store.
    Store,
}

/// The id of an aggregate. As JSON it is one field, named for its kind; as text, and as a Kafka key, the bare id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AggregateId {
    /// An item, with its stock levels.
    #[serde(rename = "itemId")]
    Item(ItemId),
    /// A reservation.
    #[serde(rename = "reservationId")]
    Reservation(ReservationId),
    /// A store.
    #[serde(rename = "storeId")]
    Store(StoreId),
}

/// The bytes are no id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of such an aggregate")]
pub struct InvalidAggregateId;

impl AggregateKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Item, Self::Reservation, Self::Store];

    /// As the tables have it.
    pub const fn number(self) -> i64 {
        match self {
            Self::Item => 0,
            Self::Reservation => 1,
            Self::Store => 2,
        }
    }

    /// Reads what [`Self::number`] wrote.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Reads the text form of an id of this kind.
    pub fn parse(self, text: &str) -> Result<AggregateId, InvalidAggregateId> {
        let id = match self {
            Self::Item => ItemId::parse(text).ok().map(AggregateId::Item),
            Self::Reservation => ReservationId::parse(text).ok().map(AggregateId::Reservation),
            Self::Store => StoreId::parse(text).ok().map(AggregateId::Store),
        };
        id.ok_or(InvalidAggregateId)
    }

    /// Reads what [`AggregateId::bytes`] gave.
    pub fn read(self, bytes: &[u8]) -> Result<AggregateId, InvalidAggregateId> {
        let uuid = || uuid::Uuid::from_slice(bytes).map_err(|_| InvalidAggregateId);
        match self {
            Self::Item => uuid().map(ItemId::from_uuid).map(AggregateId::Item),
            Self::Reservation => uuid().map(ReservationId::from_uuid).map(AggregateId::Reservation),
            Self::Store => self.parse(std::str::from_utf8(bytes).map_err(|_| InvalidAggregateId)?),
        }
    }
}

impl AggregateId {
    /// Which kind it is of.
    pub const fn kind(&self) -> AggregateKind {
        match self {
            Self::Item(_) => AggregateKind::Item,
            Self::Reservation(_) => AggregateKind::Reservation,
            Self::Store(_) => AggregateKind::Store,
        }
    }

    /// As the tables have it, beside the kind: the 16 bytes of a UUID, or the text of a store's id.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Item(id) => id.as_bytes(),
            Self::Reservation(id) => id.as_bytes(),
            Self::Store(id) => id.as_str().as_bytes(),
        }
    }

    /// The item, if it is one.
    pub const fn item(&self) -> Option<ItemId> {
        if let Self::Item(id) = self { Some(*id) } else { None }
    }

    /// Appends the bare id.
    pub fn write_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Item(id) => id.write_to(text),
            Self::Reservation(id) => id.write_to(text),
            Self::Store(id) => text.extend_from_slice(id.as_str().as_bytes()),
        }
    }

    /// As JSON, where it is the bare id rather than a field: for `serialize_with`.
    pub fn serialize_as_text<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Item(id) => id.serialize(serializer),
            Self::Reservation(id) => id.serialize(serializer),
            Self::Store(id) => id.serialize(serializer),
        }
    }
}

impl fmt::Display for AggregateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => id.fmt(f),
            Self::Reservation(id) => id.fmt(f),
            Self::Store(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_bytes_and_from_its_text() {
        let uuid = uuid::Uuid::from_u128(7);
        let store = StoreId::parse("sixteen-letters.").unwrap();
        for id in [
            AggregateId::Item(ItemId::from_uuid(uuid)),
            AggregateId::Reservation(ReservationId::from_uuid(uuid)),
            AggregateId::Store(store),
        ] {
            let kind = AggregateKind::from_number(id.kind().number()).unwrap();
            assert_eq!(kind.read(id.bytes()), Ok(id.clone()));
            let mut text = Vec::new();
            id.write_to(&mut text);
            assert_eq!(String::from_utf8(text), Ok(id.to_string()));
            assert_eq!(kind.parse(&id.to_string()), Ok(id.clone()));
        }
        assert_eq!(AggregateKind::Item.read(b"short"), Err(InvalidAggregateId));
    }
}
