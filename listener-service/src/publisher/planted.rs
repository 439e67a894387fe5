//! The planted faults `drop-event`, as if a fact that was not sent were on its topic, and `dead-letter-twice`, as if the
//! id of a dead letter were made when it is sent.

use kafka::NotEnqueued;
use shared::id::CommandId;

use super::{Publisher, Row, Sends};
use crate::failpoints::is_turn;

pub(super) fn is_to_drop(row: &Row) -> bool {
    !row.is_dead_letter() && is_turn(row.sequence)
}

impl<P: Sends> Publisher<P> {
    /// The watermark passes it too: no start will ever send it.
    pub(super) fn pass_over(&mut self, row: &Row) -> bool {
        self.done(row.sequence);
        true
    }

    /// Sends it under its id, and then under one that nobody has seen.
    pub(super) fn enqueue_twice(&mut self, row: &Row) -> rusqlite::Result<Result<P::Delivery, NotEnqueued>> {
        let mut message = self.dead_letter(row.sequence)?;
        if let Err(refused) = self.send(row, &message) {
            return Ok(Err(refused));
        }
        for (_, value) in message.headers.iter_mut().filter(|(name, _)| name == "dlq-id") {
            *value = Some(CommandId::fresh().to_string().into());
        }
        Ok(self.send(row, &message))
    }
}
