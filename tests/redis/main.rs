//! Reading from a real Redis: first where there is a database file too, alone where there is none, and through every
//! fault that it can have.

mod beside;
mod faults;
mod lists;
mod reading;
mod watch;
mod world;
