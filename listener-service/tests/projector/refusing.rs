//! A Redis that is full.

use std::time::{Duration, Instant};

use listener_service::projector::Step;
use shared::message::{CatalogueFields, Command, RequestEnvelope};
use shared::text::{Description, Name};
use testkit::poll::eventually_blocking;
use testkit::read_model::differences;

use crate::announcements::Ear;
use crate::bench::{adjust, item, request};
use crate::world::{SOON, World, catalogue, create};

/// An update that needs room.
fn big(sku: &str, n: usize) -> RequestEnvelope {
    let description = Description::parse(&format!("{n} {}", "x".repeat(1500))).expect("a description");
    let name = Name::parse("A thing").expect("a name");
    let fields = CatalogueFields { description: Some(description), ..CatalogueFields::named(name) };
    request(item(sku), Command::UpdateItem(fields))
}

#[test]
fn a_full_redis_that_evicts_nothing_is_said_and_waited_for_and_the_heartbeat_goes_on() {
    let test = "a_full_redis_that_evicts_nothing_is_said_and_waited_for_and_the_heartbeat_goes_on";
    let Some(mut world) = World::new(test, &["--maxmemory-policy", "noeviction"]) else { return };
    world.apply_all(&catalogue(50));
    let before = world.settle_and_compare();
    let ear = Ear::on(&world.redis);
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
    world.apply(&crate::world::delete(item("SKU-000001")));
    world.apply(&big("SKU-000002", 1));
    let digest = world.everything();
    assert_eq!(world.projector.step(), Step::Blocked);
    assert!(world.health().contains("Degraded") && world.health().contains("OOM"), "{}", world.health());
    assert_eq!(world.everything(), digest, "all of it or nothing, also if it begins with a deletion");
    eventually_blocking(SOON, || {
        assert_eq!(world.projector.step(), Step::Blocked);
        let told = ear.next();
        assert!(told.as_ref().is_none_or(|told| told.sequence == before.sequence));
        told.is_some_and(|told| told.journal == before.sequence + 3)
    });
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(world.settle_and_compare().generation, before.generation);
    assert!(world.health().contains("whole"), "{}", world.health());
}

#[test]
fn a_redis_that_evicts_the_model_never_has_one_that_claims_to_be_whole_and_is_not() {
    let test = "a_redis_that_evicts_the_model_never_has_one_that_claims_to_be_whole_and_is_not";
    let Some(mut world) = World::new(test, &["--maxmemory-policy", "allkeys-lru"]) else { return };
    world.apply_all(&catalogue(300));
    world.settle_and_compare();
    let used: String = world.redis.command(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a figure").trim().to_owned();
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", &used]);
    let running = world.run();
    let (mut whole, mut longest) = (0, Duration::ZERO);
    for n in 0..60 {
        world.apply(&big(&format!("SKU-{n:06}"), n));
        // An eviction comes with any command; what follows from it is a matter of the next look.
        let started = Instant::now();
        eventually_blocking(SOON, || match differences(&world.bench.path(), &world.redis.address()) {
            Ok((_, found)) if found.iter().any(|line| !line.starts_with("outcome")) => Err(found[0].clone()),
            compared => {
                whole += usize::from(compared.is_ok());
                Ok(())
            }
        });
        longest = longest.max(started.elapsed());
    }
    eprintln!("whole at {whole} of 60 looks under eviction; a wrong claim stood for {longest:?} at most");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    world.compare();
    world.stop(running);
}

#[test]
fn outcomes_that_were_evicted_are_not_claimed() {
    let test = "outcomes_that_were_evicted_are_not_claimed";
    let Some(mut world) = World::new(test, &["--maxmemory-policy", "volatile-lru"]) else { return };
    world.apply(&create("A", "A thing", 1));
    world.apply_all(&(0..2000).map(|_| request(item("A"), adjust(1))).collect::<Vec<_>>());
    let before = world.settle_and_compare();
    let used: String = world.redis.command(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a figure").trim().to_owned();
    let less = used.parse::<u64>().expect("a number") - 300_000;
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", &less.to_string()]);
    eventually_blocking(SOON, || {
        world.projector.step();
        world.state().is_some_and(|state| state.outcomes_since > before.outcomes_since)
    });
    let evicted: String = world.redis.command(&["INFO", "stats"]);
    assert!(!evicted.contains("evicted_keys:0"), "{evicted}");
    world.redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let after = world.settle_and_compare();
    assert_eq!(after.generation, before.generation, "the model itself stays");
    let told_later = request(item("A"), adjust(1));
    world.apply(&told_later);
    world.settle_and_compare();
}
