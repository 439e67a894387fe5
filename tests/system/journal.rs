//! What the journal tells of stock and reservations, fact by fact: worked out here from the messages alone, beside what
//! the checker finds, so that a test can say what it was to show.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use shared::clock::Timestamp;

/// What became of one reservation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Units that were reserved for it, issued of it, and given back.
    pub(crate) reserved: i64,
    pub(crate) issued: i64,
    pub(crate) released: i64,
    /// In milliseconds, as its last fact has it.
    pub(crate) deadline: i64,
    /// Each time that it ended: as what, and when.
    pub(crate) ends: Vec<(String, i64)>,
}

/// Units of one store at some moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) on_hand: i64,
    pub(crate) held: i64,
}

/// All that was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    pub(crate) reservations: BTreeMap<String, Told>,
    /// By store, of all items together.
    pub(crate) stock: BTreeMap<String, Stock>,
    /// The most that was held at once, in all stores.
    pub(crate) most_held: i64,
    /// Moments at which a store held more than it had.
    pub(crate) oversold: Vec<String>,
}

impl Story {
    /// Reads it, also while the system runs.
    pub(crate) fn of(database: &Path) -> Self {
        let connection = look(database);
        let mut statement = connection
            .prepare(
                "SELECT sequence, event_type, occurred_at, message FROM journal WHERE stream < 2 ORDER BY sequence",
            )
            .expect("prepared");
        let mut rows = statement.query([]).expect("read");
        let mut story = Self::default();
        while let Some(row) = rows.next().expect("a row") {
            let (sequence, event, at): (i64, String, i64) =
                (row.get(0).expect("a number"), row.get(1).expect("text"), row.get(2).expect("a time"));
            let message: Value = serde_json::from_str(&row.get::<_, String>(3).expect("text")).expect("JSON");
            story.hear(sequence, &event, at, &message["data"]);
        }
        story
    }

    fn hear(&mut self, sequence: i64, event: &str, at: i64, told: &Value) {
        let units = |field: &str| told[field].as_i64().unwrap_or_default();
        let id = told["reservationId"].as_str().unwrap_or_default().to_owned();
        if event.starts_with("Reservation") {
            let reservation = self.reservations.entry(id).or_default();
            let deadline = told["expiresAt"].as_str().and_then(Timestamp::parse);
            reservation.deadline = deadline.map_or(i64::MAX, Timestamp::millis);
            match told["status"].as_str() {
                Some("pending") => {}
                status => reservation.ends.push((status.unwrap_or("nothing").to_owned(), at)),
            }
            return;
        }
        let (adjusted, reserved) = (units("adjustment"), units("reservedQuantity"));
        let (issued, released) = (units("issuedQuantity"), units("releasedQuantity"));
        if [adjusted, reserved, issued, released] == [0; 4] {
            return;
        }
        let store = told["storeId"].as_str().unwrap_or_default().to_owned();
        let stock = self.stock.entry(store.clone()).or_default();
        stock.on_hand += adjusted - issued;
        stock.held += reserved - issued - released;
        if !(0..=stock.on_hand).contains(&stock.held) {
            self.oversold.push(format!("sequence {sequence}: {store} holds {} of {}", stock.held, stock.on_hand));
        }
        self.most_held = self.most_held.max(self.stock.values().map(|stock| stock.held).sum());
        if !id.is_empty() {
            let reservation = self.reservations.entry(id).or_default();
            reservation.reserved += reserved;
            reservation.issued += issued;
            reservation.released += released;
        }
    }

    /// How many ended so.
    pub(crate) fn ended(&self, status: &str) -> usize {
        self.reservations.values().filter(|told| told.ends.iter().any(|(end, _)| end == status)).count()
    }

    /// Nothing was oversold; each reservation has ended, once and in time; one that expired gave back what it held,
    /// all of it, and one that was confirmed or cancelled holds nothing either.
    pub(crate) fn assert_each_ended_once(&self) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{} faults, the first of them {:#?}", faults.len(), &faults[..faults.len().min(5)]);
    }

    fn faults(&self) -> Vec<String> {
        let at_fault = |(id, told): (&String, &Told)| {
            let fits = match told.ends.as_slice() {
                [(status, at)] => {
                    let in_time = *at < told.deadline;
                    let ended_so = match status.as_str() {
                        "expired" => !in_time && told.issued == 0,
                        "confirmed" => in_time && told.issued > 0,
                        "released" => in_time && told.issued == 0,
                        _ => false,
                    };
                    ended_so && told.reserved == told.issued + told.released
                }
                _ => false,
            };
            (!fits).then(|| format!("{id}: {told:?}"))
        };
        self.oversold.iter().cloned().chain(self.reservations.iter().filter_map(at_fault)).collect()
    }
}

/// How many rows of `table` there are, also while the system runs.
pub(crate) fn count(database: &Path, table: &str) -> i64 {
    look(database).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted")
}

/// The last sequence of the journal.
pub(crate) fn last_sequence(database: &Path) -> i64 {
    look(database)
        .query_row("SELECT coalesce(max(sequence), 0) FROM journal", [], |row| row.get(0))
        .expect("the last one")
}

fn look(database: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).expect("opened");
    connection.busy_timeout(std::time::Duration::from_secs(5)).expect("set");
    connection
}

#[test]
fn a_reservation_that_ends_twice_or_keeps_what_it_held_is_found() {
    let faults = |facts: &[(&str, Value)]| {
        let mut story = Story::default();
        for (sequence, (event, data)) in (1..).zip(facts) {
            story.hear(sequence, event, 10_000 * sequence, data);
        }
        story.faults().len()
    };
    let of = |status: &str| serde_json::json!({"reservationId": "r", "status": status, "expiresAt": "1970-01-01T00:00:25.000Z"});
    let step = |field: &str, units: i64| serde_json::json!({"reservationId": "r", "storeId": "main", field: units});
    let stock = ("StockAdjusted", serde_json::json!({"storeId": "main", "adjustment": 1}));
    let (created, taken) = (("ReservationCreated", of("pending")), ("StockReserved", step("reservedQuantity", 1)));
    let (issued, bought) = (("StockIssued", step("issuedQuantity", 1)), ("ReservationConfirmed", of("confirmed")));
    let (expired, freed) = (("ReservationExpired", of("expired")), ("StockReleased", step("releasedQuantity", 1)));
    let after = |more: &[&(&'static str, Value)]| {
        let made = [&stock, &created, &taken];
        faults(&made.into_iter().chain(more.iter().copied()).cloned().collect::<Vec<_>>())
    };
    assert_eq!(after(&[&expired, &freed]), 0);
    assert_eq!(after(&[]), 1, "still pending");
    assert_eq!(after(&[&expired]), 1, "nothing given back");
    assert_eq!(after(&[&expired, &freed, &expired]), 1, "expired twice");
    assert_eq!(after(&[&expired, &freed, &freed]), 2, "given back twice, also what was never held");
    assert_eq!(after(&[&issued, &bought]), 1, "bought too late");
    assert_eq!(after(&[&expired, &freed, &issued]), 2, "issued after all");
    assert_eq!(faults(&[created.clone(), taken.clone(), expired.clone(), freed.clone()]), 1, "oversold");
    assert_eq!(faults(&[stock.clone(), created, expired, taken, freed]), 0, "the order within a command is its own");
}
