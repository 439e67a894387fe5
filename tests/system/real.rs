//! What only a real Kafka shows: brokers that stop, die, forget and are exchanged, and listeners that are stopped.

mod backlog;
mod facts;
mod fencing;
mod load;
mod log;
mod outage;
