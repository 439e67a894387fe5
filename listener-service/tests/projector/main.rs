//! The projector, driven by hand: a real writer's database, a real Redis, and every fault that it must outlive.

mod announcements;
#[allow(dead_code, reason = "shared with the tests of the writer, which need more of it")]
#[path = "../writer/bench.rs"]
mod bench;
mod checking;
mod following;
mod losing;
mod proxy;
mod refusing;
mod reserving;
mod searching;
mod shops;
mod size;
mod taking_over;
mod world;
