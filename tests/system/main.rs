//! The whole system as its users have it: the released program, real HTTP, the database file afterwards.

mod client;
mod kill;
mod load;
mod program;
mod starting;
