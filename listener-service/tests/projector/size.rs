//! A big catalogue: how long it takes to fill, how long a call holds up readers, and that none holds them up for long.

use std::time::{Duration, Instant};

use crate::bench::{adjust, item, request};
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
