//! The whole system as its users have it: the released programs, real HTTP, the database file afterwards.

mod binaries;
mod client;
mod deployment;
mod kill;
mod load;
mod process;
mod program;
mod real;
mod starting;
