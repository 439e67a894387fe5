//! The whole system as its users have it: the released programs, real HTTP, the database file afterwards.

mod batches;
mod buyers;
mod client;
mod deployment;
mod durability;
mod expiring;
mod import;
mod journal;
mod kill;
mod load;
mod program;
mod proxy;
mod real;
mod shipped;
mod starting;
