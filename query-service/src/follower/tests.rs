//! The follower, step by step, on a real file.

use std::path::Path;

use shared::aggregate::AggregateId;
use shared::id::{CommandId, ItemId, ReservationId};

use super::*;

struct Fixture {
    following: Arc<Following>,
    readiness: Readiness,
    follower: Follower,
    folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (following, readiness) = (Arc::new(Following::of_database()), Readiness::new("test", &[DATABASE]));
    let follower = Follower::new(folder.path().join("sub/x.db"), Arc::clone(&following), readiness.clone());
    Fixture { following, readiness, follower, folder }
}

impl Fixture {
    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("sub/x.db")
    }
}

fn create(path: &Path) -> Connection {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    schema::create(&connection);
    connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, 'log', 0)", []).unwrap();
    connection
}

fn item(number: u128) -> AggregateId {
    AggregateId::Item(ItemId::from_uuid(uuid::Uuid::from_u128(number)))
}

fn append(connection: &Connection, key: &AggregateId, command: CommandId) {
    let sql =
        "INSERT INTO journal (stream, event_type, aggregate, aggregate_id, command_id, fact_index, log, log_offset,
                                    occurred_at)
               VALUES (1, 'StockAdjusted', ?1, ?2, ?3, 0, 1, 0, 0)";
    connection.execute(sql, (key.kind().number(), key.bytes(), command.as_bytes())).unwrap();
}

#[test]
fn a_database_that_does_not_exist_yet_is_told_and_found_when_it_is_there() {
    let mut fixture = fixture();
    assert_eq!(fixture.follower.step(), Ok(Step::Unreachable));
    assert!(!fixture.readiness.is_ready() && !fixture.following.is_reachable());
    std::fs::create_dir(fixture.folder.path().join("sub")).unwrap();
    drop(Connection::open(fixture.file()).unwrap());
    assert_eq!(fixture.follower.step(), Ok(Step::Unreachable), "it has no tables");
    create(&fixture.file());
    assert_eq!(fixture.follower.step(), Ok(Step::Progressed));
    assert!(fixture.readiness.is_ready() && fixture.following.is_believed());
}

#[test]
fn what_was_committed_raises_its_floor_and_only_its() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    append(&writer, &item(1), CommandId::fresh());
    assert_eq!(fixture.follower.step(), Ok(Step::Progressed));
    assert_eq!(fixture.following.floors.of(&item(9)), 1, "what came before it began is not known");
    assert_eq!(fixture.follower.step(), Ok(Step::Idle));
    for _ in 0..=CHUNK {
        append(&writer, &item(2), CommandId::fresh());
    }
    assert_eq!(fixture.follower.step(), Ok(Step::Progressed));
    let last = u64::from(CHUNK) + 2;
    assert_eq!((fixture.following.sequence(), fixture.following.floors.of(&item(2))), (last, last));
    assert_eq!(fixture.following.floors.of(&item(1)), 1);
}

#[test]
fn a_reservation_and_a_store_have_floors_of_their_own() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    let number = uuid::Uuid::from_u128(1);
    let reservation = AggregateId::Reservation(ReservationId::from_uuid(number));
    let store = AggregateId::Store(shared::text::StoreId::parse("berlin").unwrap());
    append(&writer, &reservation, CommandId::fresh());
    append(&writer, &store, CommandId::fresh());
    fixture.follower.step().unwrap();
    let floors = &fixture.following.floors;
    assert_eq!((floors.of(&reservation), floors.of(&store), floors.of(&item(1))), (1, 2, 0));
}

#[test]
fn an_older_schema_is_waited_for_and_a_newer_one_is_refused_by_name() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    let mut step_at = |version: i64| {
        writer.pragma_update(None, "user_version", version).unwrap();
        let step = fixture.follower.step().unwrap();
        (step, fixture.readiness.is_ready(), fixture.following.is_believed())
    };
    assert_eq!(step_at(1), (Step::Unreachable, false, false));
    assert_eq!(step_at(2), (Step::Unreachable, false, false));
    assert_eq!(step_at(3), (Step::Progressed, true, true));
    assert_eq!(step_at(4), (Step::Unreachable, false, false));
    assert_eq!(step_at(4), (Step::Unreachable, false, false));
}

#[test]
fn a_position_moves_also_when_the_sequence_stands_still() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    writer.execute("UPDATE logs SET next_offset = 7", []).unwrap();
    assert_eq!(fixture.follower.step(), Ok(Step::Progressed));
    assert_eq!(fixture.following.subscribe().borrow().logs[0].next_offset, 7);
}

#[test]
fn nothing_is_missed_while_the_database_could_not_be_read() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    writer.execute("ALTER TABLE journal RENAME TO hidden", []).unwrap();
    assert_eq!(fixture.follower.step(), Ok(Step::Unreachable));
    assert!(!fixture.following.is_believed());
    writer.execute("ALTER TABLE hidden RENAME TO journal", []).unwrap();
    append(&writer, &item(3), CommandId::fresh());
    assert_eq!(fixture.follower.step(), Ok(Step::Progressed));
    assert_eq!(fixture.following.floors.of(&item(3)), 1);
    assert!(fixture.following.is_believed());
}

#[test]
fn another_file_at_the_path_and_a_journal_that_went_back_end_the_process() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    append(&writer, &item(1), CommandId::fresh());
    fixture.follower.step().unwrap();
    writer.execute("DELETE FROM journal", []).unwrap();
    assert_eq!(fixture.follower.step(), Err(FollowError::WentBack { seen: 1, found: 0 }));

    let mut fixture = self::fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    writer.execute("ALTER TABLE journal RENAME TO hidden", []).unwrap();
    fixture.follower.step().unwrap();
    drop(writer);
    let moved = fixture.folder.path().join("sub/old.db");
    std::fs::rename(fixture.file(), moved).unwrap();
    create(&fixture.file());
    assert_eq!(fixture.follower.step(), Err(FollowError::Replaced));
}

#[tokio::test]
async fn who_waits_for_a_command_is_woken_after_it_is_followed() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    let command = CommandId::fresh();
    let place = fixture.following.waiters.register(command).unwrap();
    let woken = place.waiter.notified();
    append(&writer, &item(1), command);
    fixture.follower.step().unwrap();
    tokio::time::timeout(Duration::from_secs(20), woken).await.unwrap();
    assert_eq!(fixture.following.sequence(), 1);
}

#[tokio::test]
async fn a_state_that_is_ahead_of_the_follower_waits_for_it_and_is_not_forgotten_if_it_does_not_come() {
    let mut fixture = fixture();
    let writer = create(&fixture.file());
    fixture.follower.step().unwrap();
    append(&writer, &item(1), CommandId::fresh());
    let following = Arc::clone(&fixture.following);
    tokio::join!(following.settle(1), async { fixture.follower.step().map(drop).unwrap() });
    assert_eq!((following.sequence(), following.told()), (1, 0));
    following.settle(5).await;
    assert!(!following.is_believed(), "it was shown 5 and has followed 1");
}
