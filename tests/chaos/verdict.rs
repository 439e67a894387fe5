//! What is asked once everything has come to rest: of the database, the topics, the read model and every reader.

mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kafka::Record;
use rusqlite::Connection;
use serde_json::Value;
use shared::id::CommandId;
use testkit::checker::{self, History, Origin};
use testkit::read_model;

use crate::load::{Level, levels};
use crate::place::Place;
use crate::run::Done;
use crate::world::{World, lock};
use topics::{Topics, is_poison};

/// What the design promises after the last fault.
const AT_REST_WITHIN: Duration = Duration::from_secs(30);
/// Until then reservations still expire, and a model that moves cannot be compared.
const DEADLINES_PASS_WITHIN: Duration = Duration::from_secs(90);
/// How large the write-ahead log may be while nobody holds a snapshot.
const WAL_BOUND: u64 = 192 * 1024 * 1024;
const DESCRIPTORS_BOUND: usize = 512;
const THREADS_BOUND: usize = 128;

/// What the report needs beside the violations.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) checked: checker::Counts,
    pub(crate) poison: usize,
    pub(crate) dead_letters: usize,
    /// Answers that told a version, without a token and with one.
    pub(crate) looks: (u64, u64),
}

/// Waits until nothing is left to do, and everybody says that all is well.
pub(crate) fn comes_to_rest(world: &World) {
    world.journal().note("coming to rest");
    let began = Instant::now();
    let mut left = why_not_at_rest(world);
    while let Some(why) = left {
        if began.elapsed() > AT_REST_WITHIN {
            world.journal().violated("liveness", format!("not at rest within {AT_REST_WITHIN:?}: {why}"));
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
        left = why_not_at_rest(world);
    }
    world.journal().note(&format!("at rest after {:?}", began.elapsed()));
}

fn why_not_at_rest(world: &World) -> Option<String> {
    let listeners: Vec<String> = lock(&world.listeners).iter().map(|listener| listener.base.clone()).collect();
    let parties = &world.parties;
    let places = parties.commands.iter().chain(parties.queries.iter()).map(|place| place.base.clone());
    for base in places.chain(listeners.iter().cloned()) {
        match get(world, &format!("{base}/health/ready"), None) {
            Some((200, _)) => {}
            answer => return Some(format!("{base} is not ready: {answer:?}")),
        }
    }
    let mut seen = Vec::new();
    for base in &listeners {
        let Some((200, stats)) = get(world, &format!("{base}/monitoring/stats"), None) else { continue };
        let (sequence, model) = (&stats["sequence"], &stats["readModel"]);
        let is_done = stats["lag"] == 0 && stats["published"] == *sequence && model["sequence"] == *sequence;
        if stats["writer"] == "active" && is_done && model["isWhole"] == true {
            return None;
        }
        seen.push(stats);
    }
    Some(format!("{seen:?}"))
}

/// Everything that can be asked. What is wrong goes into the run's journal.
pub(crate) fn judge(world: &World, done: &Done) -> Found {
    every_reader_tells_what_is_stored(world);
    the_read_model_is_the_database(world);
    // Deadlines pass until then.
    everybody_ends_well(world);
    let everything = Topics::read(world);
    what_was_told_is_stored(world);
    a_key_stands_for_one_command(world);
    let history = history(world, &everything);
    let checked = the_database_keeps_every_invariant(world, &history);
    everything.each_command_has_ended(world);
    let dead_letters = everything.check(world, history.poison.len());
    bounds(world);
    let looks = [&done.looks.without_token, &done.looks.with_token].map(|looks| looks.load(Ordering::Relaxed));
    if done.poison_taken > u64::try_from(history.poison.len()).unwrap_or(0) || looks.contains(&0) {
        let (taken, there) = (done.poison_taken, history.poison.len());
        let seen = format!("{taken} poisons were acknowledged, {there} are on the topic; looks {looks:?}");
        world.journal().violated("harness", seen);
    }
    if !world.journal().violations().is_empty() {
        everything.write(world);
    }
    Found { checked, poison: history.poison.len(), dead_letters, looks: looks.into() }
}

fn the_database_keeps_every_invariant(world: &World, history: &History) -> checker::Counts {
    let report = checker::check(&world.database, history);
    for (of, seen) in report.violations() {
        world.journal().violated(named(of), seen);
    }
    report.counts
}

/// As the report has it.
fn named(violation: &'static str) -> &'static str {
    if violation == "dead letters" { "deadLetters" } else { violation }
}

fn history(world: &World, topics: &Topics) -> History {
    let log: String = world
        .look()
        .query_row("SELECT log_id FROM logs WHERE superseded_at IS NULL", [], |row| row.get(0))
        .expect("a log");
    let origin = |record: &Record| Origin { log: log.clone(), partition: record.partition, offset: record.offset };
    History {
        commands: world.parties.memory.commands().iter().map(crate::memory::Remembered::sent).collect(),
        poison: topics.commands.iter().filter(|record| is_poison(record)).map(origin).collect(),
        complete: true,
    }
}

/// A client that was told an outcome was told the truth.
fn what_was_told_is_stored(world: &World) {
    let connection = world.look();
    let mut statement = connection
        .prepare("SELECT status, version, sequence, code FROM outcomes WHERE command_id = ?1")
        .expect("prepared");
    for command in world.parties.memory.commands() {
        let (Some(id), Some(told)) = (command.command_id, command.told) else { continue };
        let stored = statement.query_row([id.uuid()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<u64>>(1)?, row.get::<_, u64>(2)?, row.get(3)?))
        });
        let (status, version, sequence, code) = (told.status, told.version, told.sequence, told.code);
        match stored {
            Ok(stored) if stored == (status.clone(), version, sequence, code.clone()) => {}
            stored => {
                let seen = format!("{id} was told {status} {code:?} {version:?} at {sequence}, stored is {stored:?}");
                world.journal().violated("invented", seen);
            }
        }
    }
}

/// Of the commands under one key, by the clients' own memory, all but one were rejected for that.
fn a_key_stands_for_one_command(world: &World) {
    let connection = world.look();
    let sql = "SELECT 1 FROM outcomes
               WHERE command_id = ?1 AND status <> 'dead_lettered' AND coalesce(code, '') <> 'IDEMPOTENCY_KEY_REUSED'";
    let mut statement = connection.prepare(sql).expect("prepared");
    let mut standing: BTreeMap<String, BTreeSet<CommandId>> = BTreeMap::new();
    for command in world.parties.memory.commands() {
        if let (Some(key), Some(id)) = (command.key, command.command_id)
            && statement.exists([id.uuid()]).expect("read")
        {
            standing.entry(key).or_default().insert(id);
        }
    }
    for (key, commands) in standing.into_iter().filter(|(_, commands)| commands.len() > 1) {
        world.journal().violated("twice", format!("{key} stands for {commands:?}"));
    }
}

/// What is in Redis, in full.
fn the_read_model_is_the_database(world: &World) {
    let address = lock(&world.redis).address();
    let began = Instant::now();
    loop {
        match read_model::differences(&world.database, &address) {
            Ok((_, found)) => {
                for difference in &found {
                    world.journal().violated("staleReads", format!("Redis: {difference}"));
                }
                return;
            }
            Err(why) if began.elapsed() > DEADLINES_PASS_WITHIN => {
                world.journal().violated("liveness", format!("the read model cannot be compared: {why}"));
                return;
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

type Stored = BTreeMap<Level, (i64, i64, u64)>;

/// Quantity, reserved and version of every level, as every process tells them.
fn every_reader_tells_what_is_stored(world: &World) {
    let connection = world.look();
    for place in world.parties.queries.iter() {
        let mut differing: Vec<Level> = levels().collect();
        let began = Instant::now();
        // Deadlines still pass, so what differs is looked at again: what a reader keeps that is old stays so.
        loop {
            let (stored, live) = (stored(&connection), live(&connection));
            let expected =
                |level: &Level| live.contains(&level.sku).then(|| stored.get(level).copied().unwrap_or_default());
            let differs = |level: &Level| {
                let (expected, told) = (expected(level), told(world, place, level));
                (told != Ok(expected)).then(|| format!("{told:?} of {level:?}, stored is {expected:?}"))
            };
            let found: Vec<(Level, String)> =
                differing.iter().filter_map(|level| Some((level.clone(), differs(level)?))).collect();
            if found.is_empty() || began.elapsed() > AT_REST_WITHIN {
                for (_, seen) in found {
                    world.journal().violated("staleReads", format!("at rest {} tells {seen}", place.name));
                }
                break;
            }
            differing = found.into_iter().map(|(level, _)| level).collect();
        }
    }
    let mut rng = fastrand::Rng::with_seed(1);
    for place in world.parties.queries.iter() {
        let Some(settled) = world.parties.memory.recent(&mut rng) else { continue };
        let url = format!("{}/api/v1/inventory/items/sku/{}/stock", place.base, settled.level.sku);
        let answer = get(world, &url, Some(&settled.token));
        if !matches!(answer, Some((200 | 404, _))) {
            world.journal().violated("liveness", format!("{} with a token: {answer:?}", place.name));
        }
    }
}

fn stored(connection: &Connection) -> Stored {
    let sql = "SELECT sku, store_id, quantity, reserved, l.version FROM stock_levels l JOIN items USING (item_id)";
    let mut statement = connection.prepare(sql).expect("prepared");
    let rows = statement
        .query_map([], |row| {
            let (sku, store): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((sku, store, (row.get(2)?, row.get(3)?, row.get(4)?)))
        })
        .expect("read");
    let rows: Vec<(String, String, (i64, i64, u64))> = rows.collect::<Result<_, _>>().expect("read");
    let by_name = |name: &str| crate::load::STORES.into_iter().find(|store| *store == name);
    rows.into_iter().filter_map(|(sku, store, level)| Some((Level { sku, store: by_name(&store)? }, level))).collect()
}

fn live(connection: &Connection) -> BTreeSet<String> {
    let mut statement = connection.prepare("SELECT sku FROM items WHERE deleted = 0").expect("prepared");
    let rows = statement.query_map([], |row| row.get(0)).expect("read");
    rows.collect::<Result<_, _>>().expect("read")
}

/// `None` if it says that there is no such item.
fn told(world: &World, place: &Place, level: &Level) -> Result<Option<(i64, i64, u64)>, String> {
    let Level { sku, store } = level;
    let url = format!("{}/api/v1/inventory/items/sku/{sku}/stock?storeId={store}", place.base);
    match get(world, &url, None) {
        Some((200, body)) => {
            let number = |field: &str| body[field].as_i64().ok_or_else(|| format!("{body}"));
            let version = body["version"].as_u64().ok_or_else(|| format!("{body}"))?;
            Ok(Some((number("quantity")?, number("reserved")?, version)))
        }
        Some((404, _)) => Ok(None),
        answer => Err(format!("{answer:?}")),
    }
}

/// Status and body; `None` if no answer came.
pub(crate) fn get(world: &World, url: &str, token: Option<&str>) -> Option<(u16, Value)> {
    world.runtime.block_on(async {
        let mut call = world.http.get(url);
        if let Some(token) = token {
            call = call.header("X-Consistency-Token", token);
        }
        let answer = call.send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.unwrap_or_default()))
    })
}

/// Ctrl-C to every process.
fn everybody_ends_well(world: &World) {
    for place in world.parties.commands.iter().chain(world.parties.queries.iter()) {
        if !place.interrupt() {
            world.journal().violated("liveness", format!("{} did not end well", place.name));
        }
    }
    for listener in std::mem::take(&mut *lock(&world.listeners)) {
        let (base, log) = (listener.base, listener.process.log());
        if !listener.process.interrupt() {
            world.journal().violated("liveness", format!("the listener {base} did not end well: {log}"));
        }
    }
}

fn bounds(world: &World) {
    let watch = lock(&world.watch);
    let unheld = watch.wal_bytes_max_unheld;
    if unheld > WAL_BOUND {
        world.journal().violated("bounds", format!("the write-ahead log grew to {unheld} bytes, and nobody held it"));
    }
    let (descriptors, threads) = (watch.descriptors_max, watch.threads_max);
    if descriptors > DESCRIPTORS_BOUND || threads > THREADS_BOUND {
        world.journal().violated("bounds", format!("a process had {descriptors} descriptors, {threads} threads"));
    }
    for grown in watch.grown() {
        world.journal().violated("bounds", grown);
    }
    let ended = world.publishers_ended.load(Ordering::SeqCst);
    world.journal().note(&format!("publishers ended {ended} times"));
}
