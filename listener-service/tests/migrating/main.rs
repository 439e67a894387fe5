//! A database that the first landing's program wrote, `tests/fixtures/schema-1.db`: three live items, 18 units reserved by
//! five commands less one release, a deletion, a revival, rejections and a dead letter.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use listener_service::lease::{Attempt, Candidate, Lease};
use listener_service::schema::{self, SchemaError};
use listener_service::{database, going_down, logs};
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::lifecycle::Shutdown;
use shared::token::LogId;
use testkit::checker::{self, History, Origin};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schema-1.db");

struct Old {
    folder: tempfile::TempDir,
    connection: Connection,
}

impl Old {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a copy");
        let path = folder.path().join("inventory.db");
        std::fs::copy(FIXTURE, &path).expect("a copy");
        Self { connection: database::open(&path).expect("a copy"), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("inventory.db")
    }

    fn migrate(&mut self) -> Option<PathBuf> {
        let (path, lease) = (self.path(), lease(&mut self.connection));
        let backup = schema::migrate(&mut self.connection, &path, lease).expect("migrated");
        lease.release(&self.connection).expect("given back");
        backup
    }

    /// As the publisher does after a while.
    fn publish(&self) {
        let all = "UPDATE progress SET published = (SELECT max(sequence) FROM journal)";
        self.connection.execute(all, []).expect("published");
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.connection, sql)
    }

    fn beside(&self) -> Vec<String> {
        let names =
            std::fs::read_dir(self.folder.path()).expect("readable").map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("readable")).collect();
        names.retain(|name| name.contains("schema"));
        names
    }
}

fn lease(connection: &mut Connection) -> Lease {
    match Candidate::new(Duration::ZERO).attempt(connection).expect("an attempt") {
        Attempt::Taken(lease) => lease,
        Attempt::Held { holder, .. } => panic!("{holder} has it"),
    }
}

fn go_down(old: &Old, patience: Duration) -> anyhow::Result<()> {
    going_down::run(&old.path(), 1, patience, &Shutdown::new())
}

fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("readable");
    statement.query_map([], |row| row.get(0)).expect("readable").collect::<Result<_, _>>().expect("readable")
}

/// All that clients of the first schema could see.
const SEEN: &str = "
    SELECT sku || ' ' || name || ' ' || coalesce(description, '-') || ' ' || items.version || ' ' || deleted FROM items
    UNION ALL SELECT hex(item_id) || store_id || quantity || ' ' || reserved || ' ' || version FROM stock_levels
    UNION ALL SELECT hex(command_id) || status || type || coalesce(version, '') || sequence FROM outcomes
    UNION ALL SELECT sequence || coalesce(message, '') FROM journal WHERE sequence <= 22";

fn history(log: &str) -> History {
    let poison = vec![Origin { log: log.to_owned(), partition: 0, offset: 16 }];
    History { poison, ..History::default() }
}

fn log_of(connection: &Connection) -> String {
    connection.query_row("SELECT log_id FROM logs", [], |row| row.get(0)).expect("readable")
}

#[test]
fn what_clients_could_see_stays_and_every_invariant_holds() {
    let mut old = Old::open();
    let before = old.rows(SEEN);
    old.migrate();
    assert_eq!(old.rows(SEEN), before);
    checker::check(&old.path(), &history(&log_of(&old.connection))).assert_clean();
}

#[test]
fn what_was_reserved_at_a_level_is_one_simple_reservation() {
    let mut old = Old::open();
    old.migrate();
    let holds = "
        SELECT sku || ' ' || r.store_id || ' ' || l.quantity || ' ' || r.simple || ' ' || r.status
        FROM reservations r JOIN reservation_lines l ON l.reservation = r.number JOIN items i USING (item_id) ORDER BY 1";
    assert_eq!(old.rows(holds), ["PROD-001 main 8 1 pending", "PROD-002 main 10 1 pending"]);
    let told = "SELECT event_type FROM journal WHERE sequence > 22";
    assert_eq!(old.rows(told), ["ReservationCreated", "ReservationCreated"]);
}

#[test]
fn the_ledger_has_every_movement_from_before() {
    let mut old = Old::open();
    old.migrate();
    let cable = "
        SELECT type || ' ' || quantity_change || ' ' || reserved_change || ' ' || quantity || ' ' || reserved
        FROM movements JOIN items USING (item_id) WHERE sku = 'PROD-001' ORDER BY sequence";
    assert_eq!(
        old.rows(cable),
        [
            "StockAdjusted 100 0 100 0",
            "StockAdjusted 25 0 125 0",
            "StockReserved 0 5 125 5",
            "StockReserved 0 5 125 10",
            "StockReserved 0 5 125 15",
            "StockReleased 0 -7 125 8"
        ]
    );
}

#[test]
fn it_is_backed_up_beside_itself_before() {
    let mut old = Old::open();
    let before = old.rows(SEEN);
    let backup = old.migrate().expect("a backup");
    assert_eq!(old.beside(), ["inventory.db.schema-1-sequence-22.backup"]);
    let copy = Connection::open(&backup).unwrap();
    assert_eq!((schema::version(&copy).unwrap(), rows(&copy, SEEN)), (1, before));
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was_and_one_backup() {
    let mut old = Old::open();
    // As no program writes it.
    old.connection.execute("UPDATE journal SET message = '{}' WHERE event_type = 'StockReserved'", []).unwrap();
    let (path, lease) = (old.path(), lease(&mut old.connection));
    for _ in 0..2 {
        let error = schema::migrate(&mut old.connection, &path, lease).unwrap_err();
        assert!(matches!(error, SchemaError::Migration(_)), "{error}");
    }
    assert_eq!(schema::version(&old.connection).unwrap(), 1);
    assert_eq!(old.beside(), ["inventory.db.schema-1-sequence-22.backup"]);
}

#[test]
fn a_backup_that_is_damaged_is_made_anew() {
    for damaged in
        ["", "no database, but long enough to look at the header of one, which it has not, and more than that"]
    {
        let mut old = Old::open();
        let before = old.rows(SEEN);
        std::fs::write(old.folder.path().join("inventory.db.schema-1-sequence-22.backup"), damaged).unwrap();
        let backup = old.migrate().expect("a backup");
        assert_eq!(rows(&Connection::open(&backup).unwrap(), SEEN), before);
        assert_eq!(old.beside(), ["inventory.db.schema-1-sequence-22.backup"]);
    }
}

#[test]
fn what_attempts_left_that_were_killed_is_removed_once_the_backup_stands() {
    let mut old = Old::open();
    for epoch in [1, 2, 7] {
        let name = format!("inventory.db.schema-1-sequence-22.epoch-{epoch}.unfinished");
        std::fs::write(old.folder.path().join(name), "half of it").unwrap();
    }
    old.migrate();
    assert_eq!(old.beside(), ["inventory.db.schema-1-sequence-22.backup"]);
}

#[test]
fn who_lost_the_lease_during_the_copy_gives_it_no_name() {
    let mut old = Old::open();
    let (path, lost) = (old.path(), lease(&mut old.connection));
    lost.release(&old.connection).unwrap();
    lease(&mut old.connection);
    let error = schema::migrate(&mut old.connection, &path, lost).unwrap_err();
    assert!(matches!(error, SchemaError::LeaseLost), "{error}");
    assert!(old.beside().is_empty());
}

#[test]
fn a_new_database_needs_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.db");
    let mut connection = database::open(&path).unwrap();
    let lease = lease(&mut connection);
    assert_eq!(schema::migrate(&mut connection, &path, lease).unwrap(), None);
    assert_eq!(usize::try_from(schema::version(&connection).unwrap()), Ok(schema::LATEST));
}

#[test]
fn going_down_and_up_again_keeps_levels_and_what_is_reserved() {
    let mut old = Old::open();
    let before = old.rows(SEEN);
    old.migrate();
    old.publish();
    let (path, lease) = (old.path(), lease(&mut old.connection));
    let backup = schema::go_down(&mut old.connection, &path, 1, lease).unwrap();
    assert!(backup.exists());
    assert_eq!((schema::version(&old.connection).unwrap(), old.rows(SEEN)), (1, before.clone()));
    lease.release(&old.connection).unwrap();
    old.migrate();
    assert_eq!(old.rows(SEEN), before);
    assert_eq!(old.rows("SELECT '' || sum(quantity) FROM reservation_lines"), ["18"]);
    assert!(schema::go_down(&mut old.connection, &path, 3, lease).is_err());
}

#[test]
fn levels_are_marked_as_low_and_reserved_by_what_their_quantities_say() {
    let mut old = Old::open();
    old.migrate();
    old.publish();
    old.connection
        .execute("UPDATE stock_levels SET own_threshold = 900, threshold = 900, is_low = 1 WHERE reserved = 8", [])
        .unwrap();
    let marks = "SELECT reserved || ' ' || is_low || is_reserved FROM stock_levels ORDER BY reserved DESC LIMIT 3";
    let marked = old.rows(marks);
    assert_eq!(marked, ["10 01", "8 11", "0 00"]);
    for wrong in ["is_low = 0", "is_reserved = 0", "reserved = 0", "threshold = 0"] {
        let changed = old.connection.execute(&format!("UPDATE stock_levels SET {wrong} WHERE reserved = 8"), []);
        assert!(changed.unwrap_err().to_string().contains("CHECK"), "{wrong}");
    }
    let (path, lease) = (old.path(), lease(&mut old.connection));
    schema::go_down(&mut old.connection, &path, 2, lease).unwrap();
    lease.release(&old.connection).unwrap();
    old.migrate();
    assert_eq!(old.rows(marks), marked);
}

#[test]
fn a_database_from_a_newer_program_is_refused_and_not_touched() {
    let old = Old::open();
    old.connection.pragma_update(None, "user_version", 4).unwrap();
    let error = database::open(&old.path()).unwrap_err().to_string();
    assert!(error.contains("schema version 4") && error.contains("knows 3 at most"), "{error}");
}

#[test]
fn the_position_in_the_log_goes_on() {
    let mut old = Old::open();
    let log = LogId::cluster(&log_of(&old.connection));
    old.migrate();
    let found = logs::adopt(&mut old.connection, &log, None, Timestamp::wall_clock()).unwrap();
    assert_eq!(found.next_offset, Some(17));
}

#[test]
fn who_lost_the_lease_during_the_backup_changes_nothing() {
    let mut old = Old::open();
    let path = old.path();
    for version in [1, 3] {
        let lost = lease(&mut old.connection);
        lost.release(&old.connection).unwrap();
        let of_another = lease(&mut old.connection);
        let error = match version {
            1 => schema::migrate(&mut old.connection, &path, lost).unwrap_err(),
            _ => schema::go_down(&mut old.connection, &path, 1, lost).unwrap_err(),
        };
        assert!(error.to_string().contains("has taken the lease"), "{error}");
        assert_eq!(schema::version(&old.connection).unwrap(), version);
        of_another.release(&old.connection).unwrap();
        old.migrate();
        old.publish();
    }
}

#[test]
fn nobody_goes_down_before_all_is_published() {
    let mut old = Old::open();
    old.migrate();
    let (path, lease) = (old.path(), lease(&mut old.connection));
    let error = schema::go_down(&mut old.connection, &path, 1, lease).unwrap_err();
    // Two holds were opened behind what the old program had published.
    assert!(matches!(error, SchemaError::Unpublished { published: 22, sequence: 24 }), "{error}");
    assert_eq!(schema::version(&old.connection).unwrap(), 3);
    old.publish();
    schema::go_down(&mut old.connection, &path, 1, lease).unwrap();
}

#[test]
fn nobody_goes_down_beside_a_running_writer() {
    let mut old = Old::open();
    old.migrate();
    lease(&mut old.connection);
    let refusal = go_down(&old, Duration::from_hours(1)).unwrap_err().to_string();
    assert!(refusal.contains("is held by"), "{refusal}");
    assert_eq!(schema::version(&old.connection).unwrap(), 3);
}

/// Who holds the lease is in another container, say.
fn hold_elsewhere(connection: &Connection) {
    connection.execute("UPDATE lease SET boot_id = 'another', pid = 1, host = 'elsewhere'", []).expect("held");
}

#[test]
fn a_holder_that_cannot_be_known_to_run_is_followed_once_it_stood_still_for_the_time() {
    let mut old = Old::open();
    old.migrate();
    old.publish();
    hold_elsewhere(&old.connection);
    go_down(&old, Duration::from_millis(300)).unwrap();
    assert_eq!(schema::version(&old.connection).unwrap(), 1);
}

#[test]
fn a_holder_elsewhere_whose_heart_beats_is_not_followed() {
    let mut old = Old::open();
    old.migrate();
    old.publish();
    hold_elsewhere(&old.connection);
    let (path, ended) = (old.path(), AtomicBool::new(false));
    let refusal = std::thread::scope(|scope| {
        scope.spawn(|| {
            let holder = database::open(&path).expect("opened");
            while !ended.load(Ordering::Acquire) {
                holder.execute("UPDATE lease SET heartbeat = heartbeat + 1", []).expect("beaten");
            }
        });
        let refusal = go_down(&old, Duration::from_secs(1));
        ended.store(true, Ordering::Release);
        refusal.unwrap_err().to_string()
    });
    assert!(refusal.contains("on elsewhere; stop every listener first"), "{refusal}");
    assert_eq!(schema::version(&old.connection).unwrap(), 3);
}

#[test]
fn going_down_takes_the_lease_and_gives_it_back() {
    let mut old = Old::open();
    old.migrate();
    for _ in 0..2 {
        old.publish();
        go_down(&old, Duration::from_hours(1)).unwrap();
        assert_eq!(schema::version(&old.connection).unwrap(), 1);
        old.migrate();
    }
}
