//! Holds the read model in Redis to the database it is made from, in full.
//!
//! It works out everything again from SQLite, by the contract in `shared::read_model` and with none of the projector's
//! code. Both are read while a system runs: what is compared is a model that did not change between two looks, against
//! the database as of the sequence that it claims.

mod beside;
mod database;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use redis::Connection as Redis;
use rusqlite::{Connection, OpenFlags};
use shared::clock::Timestamp;
use shared::id::CommandId;
use shared::read_model::{
    BY_FACET, FACETS, ITEMS, ItemDocument, LOW_STOCK, MOST_RESERVED, Order, ROWS, SHARED_BEGINNINGS, STATE, SUMMARY,
    SUPERSEDED, State, StoredItem, StoredOutcome, TERMS, outcome_key,
};
use shared::settings::RedisAddress;

use beside::Beside;
use database::Expected;

/// How many differences are told.
const TOLD: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// What is in a sorted set, or should be: scores as texts, so that they can be compared in full.
type Members = BTreeMap<Vec<u8>, String>;

/// Waits until the model has caught up with the database, at most `within`, and compares them. Panics with what differs,
/// or with why there was nothing to compare. Returns the state compared.
#[track_caller]
pub fn assert_model_equals_database(database: &Path, address: &RedisAddress, within: Duration) -> State {
    let deadline = Instant::now() + within;
    loop {
        match differences(database, address) {
            Ok((state, found)) if found.is_empty() => return state,
            Ok((_, found)) => panic!("{} differences:\n{}", found.len(), found[..found.len().min(TOLD)].join("\n")),
            Err(why) => assert!(Instant::now() < deadline, "not within {within:?}: {why}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// What differs, or why they cannot be compared now.
pub fn differences(database: &Path, address: &RedisAddress) -> Result<(State, Vec<String>), String> {
    let mut redis = connect(address).map_err(|error| error.to_string())?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sqlite = Connection::open_with_flags(database, flags).map_err(|error| error.to_string())?;
    let snapshot = sqlite.transaction().map_err(|error| error.to_string())?;
    let expected = Expected::read(&snapshot).map_err(|error| error.to_string())?;
    let before = state_of(&mut redis)?;
    let (state, superseded) = (parse::<State>(&before.0)?, parse::<Vec<String>>(&before.1)?);
    if (state.sequence, state.next_offset) != (expected.sequence, expected.next_offset) {
        let (has, is) = ((state.sequence, state.next_offset), (expected.sequence, expected.next_offset));
        return Err(format!("the model is at {has:?}, the database at {is:?}"));
    }
    let actual = Actual::read(&mut redis, &expected).map_err(|error| error.to_string())?;
    if state_of(&mut redis)? != before {
        return Err("the model moved meanwhile".to_owned());
    }
    let mut found = Vec::new();
    differ("superseded", &superseded, &expected.superseded, &mut found);
    differ("tip", &state.tip, &expected.tip, &mut found);
    differ("log", &state.log.as_ref().map(|log| log.as_str().to_owned()), &expected.log, &mut found);
    differ("epoch", &state.epoch, &expected.epoch, &mut found);
    actual.compare(&state, &expected, &mut found);
    Ok((state, found))
}

/// What is in the hashes of a model, whatever holds it: indexes are not here.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Fields of [`ITEMS`], also those that are no items.
    pub items: BTreeMap<String, String>,
    /// [`ROWS`].
    pub rows: BTreeMap<String, String>,
    /// [`FACETS`].
    pub facets: BTreeMap<String, String>,
    /// Those of `shared::read_model::RESERVATIONS`.
    pub reservations: BTreeMap<String, String>,
    /// Those of `shared::read_model::STORES`.
    pub stores: BTreeMap<String, String>,
    /// Outcomes that are there.
    pub outcomes: BTreeMap<CommandId, String>,
}

/// What differs between a model at rest and the database, at this time of the writer, or why they cannot be compared.
pub fn differences_of(database: &Path, model: &Documents, now: Timestamp) -> Result<Vec<String>, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sqlite = Connection::open_with_flags(database, flags).map_err(|error| error.to_string())?;
    let snapshot = sqlite.transaction().map_err(|error| error.to_string())?;
    let expected = Expected::read(&snapshot).map_err(|error| error.to_string())?;
    let field = |name: &str| model.items.get(name).cloned().ok_or_else(|| format!("there is no field {name}"));
    let state = parse::<State>(&field(STATE)?)?;
    let mut found = Vec::new();
    differ("sequence", &state.sequence, &expected.sequence, &mut found);
    differ("next offset", &state.next_offset, &expected.next_offset, &mut found);
    differ("superseded", &parse::<Vec<String>>(&field(SUPERSEDED)?)?, &expected.superseded, &mut found);
    differ("tip", &state.tip, &expected.tip, &mut found);
    differ("log", &state.log.as_ref().map(|log| log.as_str().to_owned()), &expected.log, &mut found);
    differ("epoch", &state.epoch, &expected.epoch, &mut found);
    let mut items = model.items.clone();
    let summary = items.remove(SUMMARY);
    items.retain(|field, _| field != STATE && field != SUPERSEDED);
    compare_items(&items, &state, &expected, &mut found);
    compare_maps(ROWS, &model.rows, &expected.rows(), &mut found);
    compare_maps(FACETS, &model.facets, &expected.facets(), &mut found);
    Beside::of(summary, model.reservations.clone(), model.stores.clone())
        .compare_documents(&state, &expected, &mut found);
    let there = |command: &CommandId| model.outcomes.get(command).map(String::as_str);
    compare_outcomes(there, &state, &expected, now, &mut found);
    Ok(found)
}

/// Everything that is in the model.
struct Actual {
    items: BTreeMap<String, String>,
    rows: BTreeMap<String, String>,
    terms: Members,
    shared_beginnings: Members,
    orders: Vec<Members>,
    facets: BTreeMap<String, String>,
    by_facet: Members,
    low_stock: Members,
    most_reserved: Members,
    beside: Beside,
    /// Of the commands that the database knows; none if there is none.
    outcomes: BTreeMap<CommandId, Option<String>>,
}

impl Actual {
    fn read(redis: &mut Redis, expected: &Expected) -> redis::RedisResult<Self> {
        let mut items: BTreeMap<String, String> = redis::cmd("HGETALL").arg(ITEMS).query(redis)?;
        let summary = items.remove(SUMMARY);
        items.retain(|field, _| field != STATE && field != SUPERSEDED);
        let mut outcomes = BTreeMap::new();
        for &command in expected.outcomes.keys() {
            outcomes.insert(command, redis::cmd("GET").arg(outcome_key(command)).query(redis)?);
        }
        Ok(Self {
            items,
            rows: redis::cmd("HGETALL").arg(ROWS).query(redis)?,
            terms: members(redis, TERMS)?,
            shared_beginnings: members(redis, SHARED_BEGINNINGS)?,
            orders: Order::ALL.iter().map(|order| members(redis, order.key())).collect::<redis::RedisResult<_>>()?,
            facets: redis::cmd("HGETALL").arg(FACETS).query(redis)?,
            by_facet: members(redis, BY_FACET)?,
            low_stock: members(redis, LOW_STOCK)?,
            most_reserved: members(redis, MOST_RESERVED)?,
            beside: Beside::read(redis, summary)?,
            outcomes,
        })
    }

    fn compare(&self, state: &State, expected: &Expected, found: &mut Vec<String>) {
        compare_items(&self.items, state, expected, found);
        compare_maps(ROWS, &self.rows, &expected.rows(), found);
        compare_maps(TERMS, &self.terms, &expected.terms(), found);
        compare_maps(SHARED_BEGINNINGS, &self.shared_beginnings, &expected.shared_beginnings(), found);
        for (order, members) in Order::ALL.into_iter().zip(&self.orders) {
            compare_maps(order.key(), members, &expected.order(order), found);
        }
        compare_maps(FACETS, &self.facets, &expected.facets(), found);
        compare_maps(BY_FACET, &self.by_facet, &expected.by_facet(), found);
        compare_maps(LOW_STOCK, &self.low_stock, &expected.low_stock(), found);
        compare_maps(MOST_RESERVED, &self.most_reserved, &expected.most_reserved(), found);
        self.beside.compare(state, expected, found);
        compare_outcomes(|command| self.outcomes[command].as_deref(), state, expected, Timestamp::wall_clock(), found);
    }
}

fn compare_items(items: &BTreeMap<String, String>, state: &State, expected: &Expected, found: &mut Vec<String>) {
    let present: BTreeSet<String> = items.keys().cloned().collect();
    differ("the items' ids", &present, &expected.items.keys().cloned().collect(), found);
    for (id, text) in items {
        let Some(item) = expected.items.get(id) else { continue };
        compare_item(text, item, expected.changed.get(id).copied().unwrap_or(0), state, found);
    }
}

fn compare_outcomes<'a>(
    there: impl Fn(&CommandId) -> Option<&'a str>,
    state: &State,
    expected: &Expected,
    now: Timestamp,
    found: &mut Vec<String>,
) {
    for (command, outcome) in &expected.outcomes {
        let is_claimed = outcome.applied_at >= state.outcomes_since && outcome.applied_at.plus_millis(3_590_000) > now;
        match there(command).map(serde_json::from_str::<StoredOutcome>) {
            Some(Ok(stored)) => differ(&format!("outcome {command}"), &stored, outcome, found),
            Some(Err(error)) => found.push(format!("outcome {command} cannot be read: {error}")),
            None if is_claimed => {
                found.push(format!("outcome {command} is missing, told at {}", outcome.applied_at));
            }
            None => {}
        }
    }
}

/// A document may be newer than the state, by what it says of itself; it is compared when both stand still.
fn compare_item(text: &str, item: &StoredItem, changed: u64, state: &State, found: &mut Vec<String>) {
    match ItemDocument::read(text.to_owned().into()).and_then(|document| document.item()) {
        Ok(stored) => {
            if !(changed..=state.sequence).contains(&stored.as_of) {
                found.push(format!("{}: as of {}, but changed at {changed}", item.sku, stored.as_of));
            }
            differ(&item.sku, &StoredItem { as_of: 0, ..stored }, item, found);
        }
        Err(error) => found.push(format!("{} cannot be read: {error}", item.sku)),
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T, found: &mut Vec<String>) {
    if actual != expected {
        found.push(format!("{what}: is {actual:?}, should be {expected:?}"));
    }
}

fn compare_maps<K: Ord + Shown, V: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    for (key, value) in expected {
        match actual.get(key) {
            Some(there) => differ(&format!("{what}, {}", key.shown()), there, value, found),
            None => found.push(format!("{what}: {} is missing", key.shown())),
        }
    }
    let more = actual.keys().filter(|key| !expected.contains_key(key));
    found.extend(more.map(|key| format!("{what}: {} should not be there", key.shown())));
}

trait Shown {
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Shown for Vec<u8> {
    fn shown(&self) -> String {
        format!("{:?}", String::from_utf8_lossy(self))
    }
}

fn connect(address: &RedisAddress) -> redis::RedisResult<Redis> {
    let client = redis::Client::open((address.host.as_str(), address.port))?;
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
    if let Some(password) = &address.password {
        redis::cmd("AUTH").arg(password).exec(&mut connection)?;
    }
    redis::cmd("SELECT").arg(address.database).exec(&mut connection)?;
    Ok(connection)
}

fn state_of(redis: &mut Redis) -> Result<(String, String), String> {
    let fields = redis::cmd("HMGET").arg(ITEMS).arg(STATE).arg(SUPERSEDED).query(redis);
    let (state, superseded): (Option<String>, Option<String>) = fields.map_err(|error| error.to_string())?;
    state.zip(superseded).ok_or_else(|| "the model is not whole".to_owned())
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

fn members(redis: &mut Redis, key: &str) -> redis::RedisResult<Members> {
    let pairs: Vec<(Vec<u8>, String)> = redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").query(redis)?;
    Ok(pairs.into_iter().collect())
}
