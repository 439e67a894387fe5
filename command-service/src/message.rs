//! The one message that a write becomes, and the ids that it is known by from then on.
//!
//! With an idempotency key the command id follows from caller, method, path, key and what is asked, so that a service
//! without memory gives a retry the same id. Without a key nobody can repeat the command, and its id is fresh.

use kafka::Prepared;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId, ReservationId};
use shared::message::{CONTENT_TYPE_JSON, Canonical, Command, NewRequest, header};

use crate::intake::Intake;

/// Until callers can say who they are.
const CALLER: &str = "anonymous";

/// What a request asks.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Of what; none of a reservation whose id follows from the command's.
    pub of: Option<AggregateId>,
    /// What.
    pub command: Command,
}

impl Asked {
    /// Of something that has an id already, or one of its own.
    pub(crate) fn of(of: AggregateId, command: Command) -> Self {
        Self { of: Some(of), command }
    }
}

/// A request as it goes on the log.
#[derive(Debug)]
pub(crate) struct Message {
    /// What its 202 will say of it.
    pub receipt: Receipt,
    /// What the log has of it.
    pub entry: Box<Prepared>,
}

/// What was asked, for its 202.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub command_id: CommandId,
    pub event_type: &'static str,
    /// What it was asked of.
    pub of: AggregateId,
    /// If it makes one, beside what it is asked of.
    pub reservation: Option<ReservationId>,
}

impl Message {
    /// The message for what is asked with `intake`, under an idempotency key if there is one.
    pub(crate) fn new(intake: &Intake, key: Option<&str>, Asked { of, command }: Asked) -> Self {
        let canonical = Canonical::of(of.as_ref(), &command, intake.headers.expected_version);
        let idempotency_id = key.map(|key| IdempotencyId::of(CALLER, intake.method.as_str(), intake.uri.path(), key));
        let command_id = idempotency_id.map_or_else(CommandId::fresh, |id| CommandId::of(id, canonical.fingerprint()));
        let of = of.unwrap_or_else(|| AggregateId::Reservation(ReservationId::of(command_id)));
        let event_type = command.event_type();
        let request = NewRequest {
            aggregate_id: &of,
            canonical: &canonical,
            command_id,
            correlation_id: intake.context.correlation_id(),
            idempotency_id,
            actor: CALLER,
            occurred_at: Timestamp::wall_clock(),
        };
        let encoded = request.encode();
        let headers = [
            (header::EVENT_TYPE, event_type.as_bytes()),
            (header::EVENT_ID, encoded.event_id()),
            (header::TIMESTAMP, encoded.timestamp()),
            (header::TRACEPARENT, &intake.traceparent),
            (header::CONTENT_TYPE, CONTENT_TYPE_JSON.as_bytes()),
        ];
        let entry =
            Prepared::with_headers(headers.map(|(name, value)| (name, Some(value)))).key(encoded.key().to_vec());
        // The simple way to reserve is a command for the item, and makes a reservation.
        let reservation = matches!(command, Command::ReserveStock { .. }).then(|| ReservationId::of(command_id));
        let receipt = Receipt { command_id, event_type, of, reservation };
        Self { receipt, entry: Box::new(entry.value(encoded.json)) }
    }
}
