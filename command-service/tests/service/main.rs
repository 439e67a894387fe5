//! command-service as its clients and the log see it: real HTTP, the real client library, the embedded broker.

mod batch;
mod broker;
mod context;
mod document;
mod embedded;
mod harness;
mod idempotency;
mod messages;
mod paths;
mod precedence;
mod preconditions;
mod program;
mod validation;
