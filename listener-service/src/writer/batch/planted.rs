//! The planted fault `apply-twice`: as if nobody had looked whether a command had its effect.

use shared::message::RequestEnvelope;

use super::super::cause::Cause;
use super::{Batch, Ending, ProcessError, changed_version};
use crate::domain::Change;
pub(super) use crate::failpoints::is_turn;
use crate::journal::Origin;

impl Batch<'_> {
    /// Decides it once more on what the first time left, and does that too. There is one outcome all the same: the table
    /// takes no second one.
    pub(super) fn twice(
        &mut self,
        request: &RequestEnvelope,
        origin: Origin<'_>,
        changes: &[Change],
    ) -> Result<(), ProcessError> {
        self.apply(&Cause::Command(request), origin, changes)?;
        if let Ok(again) = self.decide(request)? {
            self.apply(&Cause::Command(request), origin, &again)?;
        }
        self.counts.applied += 1;
        self.end(request, Ending::Applied { version: changed_version(request, changes) })
    }
}
