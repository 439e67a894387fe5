//! What became of a command, as told to its sender.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Not applied yet.
    Pending,
    /// Done; `version` and `sequence` say what came of it.
    Applied,
    /// A business rule said no; `code` and `detail` say which. Nothing changed.
    Rejected,
    /// It could not be processed; `deadLetterId` names the message kept for the operator.
    DeadLettered,
    /// The token's position has passed without such an outcome, or the command is older than the retention.
    Unknown,
}

impl OutcomeStatus {
    /// As the table and the contract write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::DeadLettered => "dead_lettered",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Applied, Self::Rejected, Self::DeadLettered, Self::Unknown]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// The business rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionCode {
    /// No such item, or it was deleted.
    ItemNotFound,
    /// The SKU is in the catalogue already.
    DuplicateSku,
    /// Fewer units available than asked for.
    InsufficientStock,
    /// Fewer units reserved than were to be released.
    InsufficientReserved,
    /// `If-Match` names another version than the current one.
    VersionConflict,
    /// The item cannot be deleted while units are reserved.
    ItemHasReservations,
    /// The level would hold more than 1,000,000,000 units.
    QuantityOutOfRange,
    /// The idempotency key was used for another command.
    IdempotencyKeyReused,
    /// No such reservation.
    ReservationNotFound,
    /// A reservation has the id already.
    ReservationExists,
    /// The reservation was confirmed before.
    ReservationAlreadyConfirmed,
    /// The reservation was released before.
    ReservationAlreadyReleased,
    /// The reservation's deadline has passed.
    ReservationExpired,
    /// No such store.
    StoreNotFound,
    /// A store has the id already.
    StoreExists,
    /// The store takes no new reservations.
    StoreInactive,
    /// The count expected another quantity on hand than there is.
    QuantityChanged,
}

impl RejectionCode {
    /// Every code, for the docs.
    pub const ALL: [Self; 17] = [
        Self::ItemNotFound,
        Self::DuplicateSku,
        Self::InsufficientStock,
        Self::InsufficientReserved,
        Self::VersionConflict,
        Self::ItemHasReservations,
        Self::QuantityOutOfRange,
        Self::IdempotencyKeyReused,
        Self::ReservationNotFound,
        Self::ReservationExists,
        Self::ReservationAlreadyConfirmed,
        Self::ReservationAlreadyReleased,
        Self::ReservationExpired,
        Self::StoreNotFound,
        Self::StoreExists,
        Self::StoreInactive,
        Self::QuantityChanged,
    ];

    /// The stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ItemNotFound => "ITEM_NOT_FOUND",
            Self::DuplicateSku => "DUPLICATE_SKU",
            Self::InsufficientStock => "INSUFFICIENT_STOCK",
            Self::InsufficientReserved => "INSUFFICIENT_RESERVED",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::ItemHasReservations => "ITEM_HAS_RESERVATIONS",
            Self::QuantityOutOfRange => "QUANTITY_OUT_OF_RANGE",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::ReservationNotFound => "RESERVATION_NOT_FOUND",
            Self::ReservationExists => "RESERVATION_EXISTS",
            Self::ReservationAlreadyConfirmed => "RESERVATION_ALREADY_CONFIRMED",
            Self::ReservationAlreadyReleased => "RESERVATION_ALREADY_RELEASED",
            Self::ReservationExpired => "RESERVATION_EXPIRED",
            Self::StoreNotFound => "STORE_NOT_FOUND",
            Self::StoreExists => "STORE_EXISTS",
            Self::StoreInactive => "STORE_INACTIVE",
            Self::QuantityChanged => "QUANTITY_CHANGED",
        }
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
