//! What facts follow from: a command, or a deadline that passed. Either names them the same each time.

use std::borrow::Cow;

use shared::id::{CommandId, EventId};
use shared::message::{Command, Fact, RequestEnvelope, SYSTEM, Stream};

use crate::domain::Reservation;

#[derive(Debug)]
pub(super) enum Cause<'a> {
    Command(&'a RequestEnvelope),
    Deadline(&'a Reservation),
}

impl Cause<'_> {
    pub(super) fn command_id(&self) -> Option<CommandId> {
        match self {
            Self::Command(request) => Some(request.command_id),
            Self::Deadline(_) => None,
        }
    }

    pub(super) fn event_id(&self, index: u32) -> EventId {
        match self {
            Self::Command(request) => EventId::of_fact(request.command_id, index),
            Self::Deadline(reservation) => EventId::of_expiry(reservation.details.reservation_id, index),
        }
    }

    pub(super) fn causation_id(&self) -> EventId {
        match self {
            Self::Command(request) => request.event_id,
            Self::Deadline(reservation) => {
                reservation.deadline_by.expect("a CHECK of the table: a deadline has a fact that set it")
            }
        }
    }

    pub(super) fn correlation_id(&self) -> Cow<'_, str> {
        match self {
            Self::Command(request) => Cow::Borrowed(&request.correlation_id),
            Self::Deadline(reservation) => Cow::Owned(reservation.details.reservation_id.to_string()),
        }
    }

    pub(super) fn actor(&self) -> &str {
        match self {
            Self::Command(request) => &request.actor,
            Self::Deadline(_) => SYSTEM,
        }
    }

    /// Where its rejection would be published.
    pub(super) fn stream(&self) -> Stream {
        match self {
            Self::Command(request) => request.data.stream(),
            Self::Deadline(_) => Stream::Stock,
        }
    }

    /// The event type of the fact that tells why `fact` moved a level: a transfer and a count tell it apart.
    pub(super) fn why(&self, fact: &Fact) -> &'static str {
        let command = if let Self::Command(request) = self { Some(&request.data) } else { None };
        match command {
            Some(Command::TransferStock { .. }) => "StockTransferred",
            Some(Command::CountStock { .. }) => "StockCounted",
            _ => fact.event_type(),
        }
    }
}
