//! What the same work costs at least. Each says why it is fair; change one only with the reason in the commit.

pub(crate) mod http;
pub(crate) mod list;
pub(crate) mod postgres;
pub(crate) mod served;
pub(crate) mod sqlite;
mod statements;
pub(crate) mod writer;

/// As many messages as the listener takes into one transaction at most (`BATCH_MAX`).
pub(crate) const BATCH: usize = 4096;
/// The listener copies its write-ahead log into the database at this size, while there is a backlog.
const CHECKPOINT_PAGES: usize = 8 * 1024;
