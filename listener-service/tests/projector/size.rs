//! A big catalogue: how long it takes to fill, how long a call holds up readers, and that none holds them up for long.

use std::time::{Duration, Instant};

use shared::id::ReservationId;
use shared::message::RequestEnvelope;
use shared::read_model::{ENDED, OUTCOMES};

use crate::bench::{adjust, item, request};
use crate::shops::{cancel, confirm, reservation, reserve};
use crate::world::{World, catalogue};

const ITEMS: usize = 5_000;
/// The mean, far above what was measured, so that a slow machine does not fail it.
const HELD_UP: Duration = Duration::from_millis(50);

#[test]
fn no_call_holds_up_readers_for_long() {
    let Some(mut world) = World::new("no_call_holds_up_readers_for_long", &[]) else { return };
    #[expect(clippy::disallowed_methods, reason = "for whoever measures; it is no setting")]
    let count = std::env::var("PROJECTOR_ITEMS").ok().and_then(|text| text.parse().ok()).unwrap_or(ITEMS);
    world.apply_all(&catalogue(count));
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    let started = Instant::now();
    while world.state().is_none() {
        world.projector.step();
    }
    let (calls, mean, longest) = scripts(&world);
    eprintln!(
        "filled {count} items in {:?}: {calls} calls, {mean:?} on average, longest {longest:?}",
        started.elapsed()
    );
    assert!(mean < HELD_UP, "{mean:?}");
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    world.settle();
    let (calls, mean, longest) = scripts(&world);
    eprintln!("outcomes of the last hour: {calls} calls, {mean:?} on average, longest {longest:?}");
    for (what, changed) in [("200 items", 200), ("1 item", 1)] {
        world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
        let mut took = Duration::ZERO;
        for _ in 0..20 {
            world
                .apply_all(&(0..changed).map(|n| request(item(&format!("SKU-{n:06}")), adjust(1))).collect::<Vec<_>>());
            let started = Instant::now();
            world.projector.step();
            took += started.elapsed();
        }
        let (calls, mean, longest) = scripts(&world);
        eprintln!("{what}: a step {:?} on average; {calls} calls, {mean:?} on average, longest {longest:?}", took / 20);
        assert!(mean < HELD_UP, "{mean:?}");
        world.settle();
    }
    world.compare();
}

#[test]
fn no_call_about_reservations_holds_up_readers_for_long() {
    let Some(mut world) = World::new("no_call_about_reservations_holds_up_readers_for_long", &[]) else { return };
    let skus: Vec<String> = (0..200).map(|n| format!("SKU-{n:06}")).collect();
    world.apply_all(&skus.iter().map(|sku| crate::world::create(sku, "A thing", 1_000_000)).collect::<Vec<_>>());
    world.settle();
    let line = |n: usize| (skus[n % 200].as_str(), 1);
    let small: Vec<ReservationId> = (1..4001).map(reservation).collect();
    let big: Vec<ReservationId> = (5001..5041).map(reservation).collect();
    let before = memory(&world);
    let make =
        small.iter().enumerate().map(|(n, &id)| reserve(id, Some(&format!("order-{n}")), &[line(n), line(n + 1)]));
    measured(&mut world, "made, of two lines", &make.collect::<Vec<_>>());
    let bytes = (memory(&world) - before) / small.len();
    eprintln!("{bytes} bytes a reservation of two lines, with its outcome");
    let outcomes: Vec<String> = world.redis.command(&["KEYS", &format!("{OUTCOMES}*")]);
    for outcomes in outcomes.chunks(1000) {
        let words: Vec<&str> = ["DEL"].into_iter().chain(outcomes.iter().map(String::as_str)).collect();
        world.redis.command::<u64>(&words);
    }
    eprintln!("{} bytes a reservation without it", (memory(&world) - before) / small.len());
    let hundred: Vec<_> = (0..100).map(line).collect();
    let make = big.iter().map(|&id| reserve(id, Some("o"), &hundred));
    measured(&mut world, "made, of a hundred lines", &make.collect::<Vec<_>>());
    measured(&mut world, "confirmed, of a hundred lines", &big.iter().map(|&id| confirm(id, None)).collect::<Vec<_>>());
    measured(&mut world, "cancelled, of two lines", &small.iter().map(|&id| cancel(id)).collect::<Vec<_>>());
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    world.projector = world.another().keeping(1_000);
    testkit::poll::eventually_blocking(crate::world::SOON, || {
        world.projector.step();
        world.redis.command::<usize>(&["ZCARD", ENDED]) == 1_001
    });
    tell(&world, "dropped, of two lines and of a hundred");
    world.redis.command::<()>(&["FLUSHALL"]);
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    world.projector = world.another();
    while world.state().is_none() {
        world.projector.step();
    }
    tell(&world, "filled in");
    world.settle_and_compare();
}

fn measured(world: &mut World, what: &str, requests: &[RequestEnvelope]) {
    world.apply_all(requests);
    world.redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    world.settle();
    tell(world, what);
}

fn tell(world: &World, what: &str) {
    let (calls, mean, longest) = scripts(world);
    eprintln!("{what}: {calls} calls, {mean:?} on average, longest {longest:?}");
    assert!(mean < HELD_UP, "{mean:?}");
}

fn memory(world: &World) -> usize {
    let used: String = world.redis.command(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a figure");
    used.trim().parse().expect("a number")
}

/// How many script calls there were, their mean, and the longest, by Redis's own clock.
fn scripts(world: &World) -> (u64, Duration, Duration) {
    let stats: String = world.redis.command(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).expect("there were some");
    let field = |name: &str| {
        line.split([':', ',']).find_map(|part| part.strip_prefix(name)?.parse::<f64>().ok()).expect("a figure")
    };
    let latency: String = world.redis.command(&["INFO", "latencystats"]);
    let line = latency.lines().find_map(|line| line.strip_prefix("latency_percentiles_usec_evalsha:")).expect("there");
    let longest = line.rsplit('=').next().and_then(|text| text.trim().parse::<f64>().ok()).expect("a figure");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let calls = field("calls=") as u64;
    (calls, Duration::from_secs_f64(field("usec_per_call=") / 1e6), Duration::from_secs_f64(longest / 1e6))
}
