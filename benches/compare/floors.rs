//! What the same work costs at least. Each says why it is fair; change one only with the reason in the commit.

pub(crate) mod http;
pub(crate) mod list;
pub(crate) mod postgres;
pub(crate) mod served;
pub(crate) mod sqlite;
mod statements;
pub(crate) mod writer;
