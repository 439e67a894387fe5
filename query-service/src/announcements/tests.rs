//! What is heard, from a projector that the tests play on a real Redis.

use shared::aggregate::AggregateId;
use shared::id::{CommandId, ItemId};
use shared::read_model::{FORM, ITEMS, STATE, SUPERSEDED, channel};
use testkit::poll::{eventually, eventually_blocking};
use testkit::redis_server::RedisServer;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A reader without the database file, beside a Redis in which the test is the projector.
struct Stage {
    redis: RedisServer,
    following: Arc<Following>,
    readiness: Readiness,
    tasks: JoinSet<FollowError>,
    generation: Uuid,
}

fn item(number: u128) -> ItemId {
    ItemId::from_uuid(Uuid::from_u128(number))
}

impl Stage {
    async fn at(test: &str, sequence: u64) -> Option<Self> {
        let redis = RedisServer::start(test, &[])?;
        let model = Arc::new(RedisModel::new(redis.address(), true).unwrap());
        let following = Arc::new(Following::of_announcements());
        let readiness = Readiness::new("test", &[REDIS]);
        let mut tasks = JoinSet::new();
        let linked = Arc::clone(&model);
        tasks.spawn(async move {
            linked.keep_open(|| {}).await;
            unreachable!("it does not end")
        });
        let announcements = Announcements::new(model, Arc::clone(&following), readiness.clone());
        tasks.spawn(announcements.run());
        let mut stage = Self { redis, following, readiness, tasks, generation: Uuid::nil() };
        stage.fill(sequence);
        eventually(SOON, async || stage.readiness.is_ready()).await;
        assert_eq!(stage.following.sequence(), sequence);
        Some(stage)
    }

    /// The model is whole at this sequence, in a new generation.
    fn fill(&mut self, sequence: u64) {
        self.generation = Uuid::from_u128(self.generation.as_u128() + 1);
        let server: String = self.redis.command(&["INFO", "server"]);
        let run = server.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap();
        let state = State {
            form: FORM,
            generation: self.generation,
            run: run.to_owned(),
            epoch: 1,
            sequence,
            tip: String::new(),
            log: Some(LogId::cluster("log")),
            next_offset: 0,
            outcomes_since: shared::clock::Timestamp::from_millis(0),
            reservations_from: 0,
        };
        let state = serde_json::to_string(&state).unwrap();
        let _: u64 = self.redis.command(&["HSET", ITEMS, STATE, &state, SUPERSEDED, "[\"older\"]"]);
    }

    /// Says that an item changed, and that it was a command's doing.
    fn announce(&self, previous: u64, sequence: u64, item: ItemId, command: CommandId) {
        self.say(&Announcement {
            generation: self.generation,
            previous,
            sequence,
            log: Some(LogId::cluster("log")),
            next_offset: 7,
            journal: sequence,
            items: vec![item],
            reservations: Vec::new(),
            stores: Vec::new(),
            commands: vec![command],
        });
    }

    fn heartbeat(&self, sequence: u64, journal: u64) {
        self.say(&Announcement {
            generation: self.generation,
            previous: sequence,
            sequence,
            log: Some(LogId::cluster("log")),
            next_offset: 7,
            journal,
            items: Vec::new(),
            reservations: Vec::new(),
            stores: Vec::new(),
            commands: Vec::new(),
        });
    }

    fn say(&self, announcement: &Announcement) {
        let text = serde_json::to_string(announcement).unwrap();
        // After a silence the subscription is renewed, and for a moment there is none, or there are two.
        eventually_blocking(SOON, || self.redis.command::<u64>(&["PUBLISH", &channel(0), &text]) > 0);
    }

    async fn reached(&self, sequence: u64) {
        eventually(SOON, async || self.following.sequence() == sequence).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_raises_the_floors_of_what_changed_and_wakes_who_waits() {
    let Some(stage) = Stage::at("announcements: floors", 5).await else { return };
    let command = CommandId::fresh();
    let place = stage.following.waiters.register(command).unwrap();
    let woken = place.waiter.notified();
    stage.announce(5, 6, item(1), command);
    tokio::time::timeout(SOON, woken).await.expect("woken");
    assert_eq!(
        (
            stage.following.floors.of(&AggregateId::Item(item(1))),
            stage.following.floors.of(&AggregateId::Item(item(2)))
        ),
        (6, 5)
    );
    let logs = stage.following.subscribe().borrow().logs.clone();
    let known: Vec<_> = logs.iter().map(|log| (log.log_id.as_str(), log.next_offset, log.is_superseded)).collect();
    assert_eq!(known, [("older", 0, true), ("log", 7, false)]);
    assert!(stage.following.is_believed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_raises_every_floor_and_wakes_everyone() {
    let Some(stage) = Stage::at("announcements: a gap", 5).await else { return };
    let place = stage.following.waiters.register(CommandId::fresh()).unwrap();
    let woken = place.waiter.notified();
    stage.announce(8, 9, item(1), CommandId::fresh());
    stage.reached(9).await;
    assert_eq!(stage.following.floors.of(&AggregateId::Item(item(2))), 9);
    tokio::time::timeout(SOON, woken).await.expect("its outcome may have been among what was missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_announcement_and_one_from_before_change_nothing() {
    let Some(stage) = Stage::at("announcements: repeated", 5).await else { return };
    stage.announce(5, 8, item(1), CommandId::fresh());
    stage.announce(5, 6, item(2), CommandId::fresh());
    stage.announce(5, 8, item(3), CommandId::fresh());
    stage.announce(8, 9, item(4), CommandId::fresh());
    stage.reached(9).await;
    assert_eq!(stage.following.floors.of(&AggregateId::Item(item(2))), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_goes_back_is_followed_for_an_operator_can_accept_a_log_made_anew() {
    let Some(stage) = Stage::at("announcements: a log made anew", 5).await else { return };
    let position = async || stage.following.subscribe().borrow().logs[1].next_offset;
    stage.heartbeat(5, 5);
    eventually(SOON, async || position().await == 7).await;
    stage.say(&Announcement {
        generation: stage.generation,
        previous: 5,
        sequence: 5,
        log: Some(LogId::cluster("log")),
        next_offset: 0,
        journal: 5,
        items: Vec::new(),
        reservations: Vec::new(),
        stores: Vec::new(),
        commands: Vec::new(),
    });
    eventually(SOON, async || position().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_not_believed_after_two_seconds_of_silence_and_is_again_with_the_next_word() {
    let Some(stage) = Stage::at("announcements: silence", 5).await else { return };
    stage.heartbeat(5, 5);
    eventually(SOON, async || stage.following.is_believed()).await;
    let silent = Instant::now();
    eventually(SOON, async || !stage.following.is_believed()).await;
    assert!(silent.elapsed() > SILENCE / 2, "after {:?}", silent.elapsed());
    eventually(SOON, async || stage.readiness.is_ready() && stage.following.is_reachable()).await;
    // Again and again, as the projector does: one that is said while the subscription is renewed is not heard.
    eventually(SOON, async || {
        stage.heartbeat(5, 5);
        stage.following.is_believed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stays_behind_the_journal_is_not_the_present() {
    let Some(stage) = Stage::at("announcements: behind", 5).await else { return };
    let began = Instant::now();
    eventually(SOON, async || {
        stage.heartbeat(5, 9);
        stage.following.is_behind()
    })
    .await;
    assert!(began.elapsed() >= SILENCE, "a moment behind is no news: {:?}", began.elapsed());
    assert!(!stage.following.is_current());
    stage.announce(5, 9, item(1), CommandId::fresh());
    eventually(SOON, async || stage.following.is_current()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_is_taken_over_and_one_that_went_back_ends_the_process() {
    let Some(mut stage) = Stage::at("announcements: generations", 5).await else { return };
    stage.fill(7);
    stage.heartbeat(7, 7);
    stage.reached(7).await;
    assert_eq!(*stage.following.generation().borrow(), Some(stage.generation));
    stage.fill(6);
    stage.heartbeat(6, 6);
    let ended = tokio::time::timeout(SOON, stage.tasks.join_next()).await.expect("it ends");
    assert_eq!(ended.unwrap().unwrap(), FollowError::WentBack { seen: 7, found: 6 });
}
