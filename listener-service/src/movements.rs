//! The ledger: one row for each step of a level, never changed.
//!
//! The rows of a level are a chain with jumps (Myers, "An applicative random-access stack", 1983): each knows the row
//! before it and one further back, so that the level at any past moment is found in log n steps, and an insertion costs
//! no index by item. With `depth = version - 1`, a row jumps back by the smallest of the numbers `2^k - 1` that its depth
//! is the greedy sum of.

use rusqlite::{Connection, params};
use shared::clock::Timestamp;
use shared::id::{CommandId, ReservationId};
use shared::message::{Fact, LevelAfter};

use crate::domain::Level;

/// The last row of a level's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its place in the journal.
    pub sequence: u64,
    /// Where it jumps to; none for the first.
    pub jump: Option<u64>,
}

/// One step of a level.
#[derive(Debug, Clone, Copy)]
pub struct Movement<'a> {
    /// Of the fact in the journal.
    pub sequence: u64,
    /// The writer's clock.
    pub at: Timestamp,
    /// The event type of the fact that tells why.
    pub kind: &'a str,
    /// What moved the level.
    pub fact: &'a Fact,
    /// The level that it tells.
    pub after: &'a LevelAfter,
    /// The level before.
    pub before: Level,
    /// Of the level after it.
    pub version: u64,
    /// Who asked.
    pub actor: &'a str,
    /// The command behind it; none for an expiry.
    pub command_id: Option<CommandId>,
}

/// Appends it to the chain whose last row was `head`, and returns the new last row.
pub fn append(connection: &Connection, movement: &Movement<'_>, head: Option<Head>) -> rusqlite::Result<Head> {
    let &Movement { sequence, after, before, version, .. } = movement;
    let jump = jump(connection, version, head)?;
    let said = Said::of(movement.fact);
    connection
        .prepare_cached(
            "INSERT INTO movements (sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change,
                quantity, reserved, version, previous, jump, reason, reference, actor, order_id, reservation_id, command_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            sequence,
            movement.at.millis(),
            movement.kind,
            after.item_id.uuid(),
            after.store_id.as_str(),
            after.total_quantity - before.quantity,
            after.reserved_total - before.reserved,
            after.total_quantity,
            after.reserved_total,
            version,
            head.map(|head| head.sequence),
            jump,
            said.reason,
            said.reference,
            movement.actor,
            said.order_id,
            said.reservation_id.map(ReservationId::uuid),
            movement.command_id.map(CommandId::uuid),
        ])?;
    Ok(Head { sequence, jump })
}

/// What a fact says of why.
#[derive(Debug, Default)]
struct Said<'a> {
    reason: Option<&'a str>,
    reference: Option<&'a str>,
    order_id: Option<&'a str>,
    reservation_id: Option<ReservationId>,
}

impl<'a> Said<'a> {
    fn of(fact: &'a Fact) -> Self {
        if let Fact::StockAdjusted { reason, reference, .. } = fact {
            let reason = reason.as_ref().map(shared::text::Reason::as_str);
            return Self {
                reason,
                reference: reference.as_ref().map(shared::text::Reference::as_str),
                ..Self::default()
            };
        }
        let (reservation_id, order_id) = if let Fact::StockReserved { reservation_id, order_id, .. }
        | Fact::StockIssued { reservation_id, order_id, .. } = fact
        {
            (Some(*reservation_id), order_id.as_ref())
        } else if let Fact::StockReleased { reservation_id, order_id, .. } = fact {
            (*reservation_id, order_id.as_ref())
        } else {
            (None, None)
        };
        Self { order_id: order_id.map(shared::text::OrderId::as_str), reservation_id, ..Self::default() }
    }
}

/// Where the row of this version jumps to. The first stands for its own jump, as its row's NULL says.
fn jump(connection: &Connection, version: u64, head: Option<Head>) -> rusqlite::Result<Option<u64>> {
    let Some(head) = head else { return Ok(None) };
    match head.jump {
        Some(further) if jump_length(version - 1) > 1 => {
            let furthest: Option<u64> = connection
                .prepare_cached("SELECT jump FROM movements WHERE sequence = ?1")?
                .query_row([further], |row| row.get(0))?;
            Ok(Some(furthest.unwrap_or(further)))
        }
        _ => Ok(Some(head.sequence)),
    }
}

/// By how many versions a row jumps back.
fn jump_length(depth: u64) -> u64 {
    let mut rest = depth;
    let mut length = 0;
    while rest > 0 {
        // The greatest 2^k - 1 that is not above the rest.
        length = ((rest + 2).next_power_of_two() >> 1) - 1;
        rest -= length;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_that_of_two_equal_jumps_in_a_row_or_else_one_step() {
        let mut jumps: Vec<usize> = vec![0];
        for depth in 1..2000 {
            let before = depth - 1;
            let (first, second) = (jumps[before], jumps[jumps[before]]);
            let jump = if before - first == first - second { second } else { before };
            jumps.push(jump);
            assert_eq!(jump_length(depth as u64), (depth - jump) as u64, "depth {depth}");
        }
    }
}
