//! What happens to Kafka, to Redis, and to the ways to them.

use std::time::Duration;

use testkit::proxy::Link;
use testkit::redis_server::RedisServer;

use super::{Lane, Stage, pause, times};
use crate::arguments::Amounts;
use crate::world::lock;

/// The lane.
pub(super) struct Parts;

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    KillKafka,
    StopKafka,
    PauseKafka,
    KillRedis,
    PauseRedis,
    FlushRedis,
    FullRedis,
    EvictingRedis,
    OldDump,
    /// Of whom, to what, and how.
    Way(Way, How),
}

/// From one of ours to a part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    CommandToKafka,
    ListenerToKafka,
    ListenerToRedis,
    QueryToRedis,
}

/// What a way does to what passes.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Delays,
    Cuts,
    Slices,
    Resets,
}

const FAULTS: [Fault; 9] = [
    Fault::KillKafka,
    Fault::StopKafka,
    Fault::PauseKafka,
    Fault::KillRedis,
    Fault::PauseRedis,
    Fault::FlushRedis,
    Fault::FullRedis,
    Fault::EvictingRedis,
    Fault::OldDump,
];
const WAYS: [Way; 4] = [Way::CommandToKafka, Way::ListenerToKafka, Way::ListenerToRedis, Way::QueryToRedis];
const HOWS: [How; 4] = [How::Delays, How::Cuts, How::Slices, How::Resets];

impl Lane for Parts {
    type Fault = Fault;

    fn plan(amounts: &Amounts) -> Vec<Fault> {
        let ways = WAYS.iter().flat_map(|way| HOWS.map(|how| Fault::Way(*way, how)));
        let each = FAULTS.into_iter().chain(ways);
        each.flat_map(|fault| times(amounts.of_each_outside, fault)).collect()
    }

    fn act(&mut self, stage: &Stage, fault: &Fault, rng: &mut fastrand::Rng) -> bool {
        // Between two of these the system is to come to itself: else nothing would be seen of any of them.
        pause(rng, 1000..3000);
        stage.world.outside.begin();
        let kind = match fault {
            Fault::KillKafka => Some(kafka(stage, "kill-kafka", rng)),
            Fault::StopKafka => Some(kafka(stage, "stop-kafka", rng)),
            Fault::PauseKafka => Some(kafka(stage, "pause-kafka", rng)),
            Fault::KillRedis => Some(kill_redis(stage, rng)),
            Fault::PauseRedis => Some(pause_redis(stage, rng)),
            Fault::FlushRedis => Some(flush_redis(stage)),
            Fault::FullRedis => limit_redis(stage, "full-redis", "noeviction", rng),
            Fault::EvictingRedis => limit_redis(stage, "evicting-redis", "allkeys-random", rng),
            Fault::OldDump => Some(old_dump(stage, rng)),
            Fault::Way(way, how) => Some(bend(stage, *way, *how, rng)),
        };
        stage.world.outside.end();
        if let Some(kind) = &kind {
            stage.count(kind);
        }
        kind.is_some()
    }
}

/// Down until command-service says so.
fn kafka(stage: &Stage, kind: &str, rng: &mut fastrand::Rng) -> String {
    stage.note(kind);
    let kafka = &stage.world.kafka;
    match kind {
        "kill-kafka" => kafka.kill(),
        "stop-kafka" => kafka.stop(),
        _ => kafka.freeze(),
    }
    stage.turns_red(&stage.world.parties.commands[0].base, "broker", kind);
    pause(rng, 0..4000);
    match kind {
        "pause-kafka" => kafka.thaw(),
        _ => kafka.start_again(),
    }
    kind.to_owned()
}

/// It comes back with nothing.
fn kill_redis(stage: &Stage, rng: &mut fastrand::Rng) -> String {
    stage.note("kill Redis");
    let mut redis = lock(&stage.world.redis);
    redis.kill();
    pause(rng, 0..2500);
    redis.start_again();
    "kill-redis".to_owned()
}

fn pause_redis(stage: &Stage, rng: &mut fastrand::Rng) -> String {
    stage.note("Redis stands still");
    let redis = lock(&stage.world.redis);
    redis.freeze();
    pause(rng, 200..5000);
    redis.thaw();
    "pause-redis".to_owned()
}

fn flush_redis(stage: &Stage) -> String {
    stage.note("Redis is flushed");
    let _: String = lock(&stage.world.redis).command(&["FLUSHALL"]);
    "flush-redis".to_owned()
}

/// It has half of the room that it needs: it refuses, or throws away what it likes. `None` if it did not.
fn limit_redis(stage: &Stage, kind: &str, policy: &str, rng: &mut fastrand::Rng) -> Option<String> {
    stage.note(kind);
    let redis = lock(&stage.world.redis);
    let set = |name: &str, value: &str| -> String { redis.command(&["CONFIG", "SET", name, value]) };
    let (counted, before) = match policy {
        "noeviction" => ("errorstat_OOM:count=", figure(&redis, "errorstats", "errorstat_OOM:count=")),
        _ => ("evicted_keys:", figure(&redis, "stats", "evicted_keys:")),
    };
    set("maxmemory-policy", policy);
    set("maxmemory", &(figure(&redis, "memory", "used_memory:") / 2).to_string());
    pause(rng, 1000..3000);
    let section = if policy == "noeviction" { "errorstats" } else { "stats" };
    let after = figure(&redis, section, counted);
    set("maxmemory", "0");
    (after > before).then(|| kind.to_owned())
}

/// A number of INFO; 0 if it is not there.
fn figure(redis: &RedisServer, section: &str, name: &str) -> u64 {
    let text: String = redis.command(&["INFO", section]);
    let found = text.lines().find_map(|line| line.trim().strip_prefix(name)?.parse().ok());
    found.unwrap_or(0)
}

/// It dies, and comes back with what it had a while ago.
fn old_dump(stage: &Stage, rng: &mut fastrand::Rng) -> String {
    stage.note("Redis comes back with an old dump");
    let mut redis = lock(&stage.world.redis);
    let _: String = redis.command(&["SAVE"]);
    pause(rng, 500..4000);
    redis.kill();
    redis.start_again();
    let folder: Vec<String> = redis.command(&["CONFIG", "GET", "dir"]);
    let dump = std::path::Path::new(&folder[1]).join("dump.rdb");
    std::fs::remove_file(dump).expect("the dump that it came back with");
    "restart-redis-with-an-old-dump".to_owned()
}

fn bend(stage: &Stage, way: Way, how: How, rng: &mut fastrand::Rng) -> String {
    let link = match how {
        How::Delays => Link::Delayed(Duration::from_millis(rng.u64(20..400))),
        How::Cuts => Link::Cut,
        How::Slices => Link::Sliced(rng.usize(1..200)),
        How::Resets => Link::Reset,
    };
    let kind = format!("link-{}-{}", named(way), format!("{how:?}").to_lowercase());
    stage.note(&format!("{kind}: {link:?}"));
    let world = &stage.world;
    let proxy = match way {
        Way::CommandToKafka => world.kafka.proxy("command"),
        Way::ListenerToKafka => world.kafka.proxy("listener"),
        Way::ListenerToRedis => &world.to_redis[0].1,
        Way::QueryToRedis => &world.to_redis[1].1,
    };
    proxy.set(link);
    pause(rng, 200..4000);
    proxy.set(Link::Clear);
    kind
}

fn named(way: Way) -> &'static str {
    match way {
        Way::CommandToKafka => "command-to-kafka",
        Way::ListenerToKafka => "listener-to-kafka",
        Way::ListenerToRedis => "listener-to-redis",
        Way::QueryToRedis => "query-to-redis",
    }
}
