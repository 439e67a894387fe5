//! The language that the services speak, and the plumbing that each of them needs.
//!
//! What crosses a process border has its one definition here: ids, values, messages, problems, tokens.
//! A value is parsed once, where it enters; from then on its type says that it is right.

pub mod aggregate;
pub mod clock;
pub mod etag;
pub mod http;
pub mod id;
pub mod json;
pub mod lifecycle;
pub mod message;
pub mod outcome;
pub mod price;
pub mod problem;
pub mod quantity;
pub mod read_model;
pub mod reservation;
pub mod search;
pub mod settings;
pub mod telemetry;
pub mod text;
pub mod token;
