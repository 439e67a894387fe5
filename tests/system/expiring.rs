//! Deadlines that pass: ten thousand at once, while nobody is there, and while their buyers confirm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shared::clock::Timestamp;
use shared::id::ReservationId;
use testkit::checker;
use testkit::poll::eventually;
use tokio::task::JoinSet;

use crate::client::{Row, Shop, new_id, tally};
use crate::deployment::{Deployment, Parts};
use crate::journal::{Story, count};
use crate::program::Program;
use testkit::binaries::are_optimised;
use testkit::process::{SOON, report};

/// As many items as share what is held.
const ITEMS: usize = 20;
const A_BATCH: usize = 1000;

/// Creates the items, with plenty of stock.
async fn stocked(deployment: &Deployment) -> Shop {
    let shop = Shop::of(deployment).await;
    for item in 0..ITEMS {
        let created = shop.create(&sku(item), 1_000_000).await.expect("accepted");
        assert_eq!(shop.outcome(&created).await, "applied");
    }
    shop
}

fn sku(number: usize) -> String {
    format!("HELD-{}", number % ITEMS)
}

/// Makes so many reservations of one unit, in batches, with deadlines as near to `due` as whole seconds allow, and returns
/// when all are applied.
async fn hold_until(shop: &Shop, database: &Path, holds: usize, due: Timestamp) {
    let mut last = None;
    for first in (0..holds).step_by(A_BATCH) {
        let left = due.millis() - Timestamp::wall_clock().millis();
        let ttl = left.div_euclid(1000).max(1);
        let row = |number| Row::hold(new_id(), "main", &sku(number), ttl);
        let rows: Vec<Row> = (first..holds.min(first + A_BATCH)).map(row).collect();
        last = shop.batch(&format!("holds-{first}"), &rows).await.pop().or(last);
    }
    assert_eq!(shop.outcome(&last.expect("there are some")).await, "applied");
    assert_eq!(usize::try_from(count(database, "reservations")), Ok(holds));
}

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::wall_clock().plus_millis(1000 * seconds)
}

fn still_pending(database: &Path) -> i64 {
    count(database, "reservations WHERE status = 'pending'")
}

const AT_ONCE: usize = 10_000;
/// The bound, for programs as they are shipped.
const DONE_WITHIN: Duration = Duration::from_secs(3);
/// A command's own way takes some milliseconds, and it waits for one transaction of the sweep at most.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(1);
/// By how much longer it may take without optimisation.
const UNOPTIMISED: u32 = 3;
const CLIENTS: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_that_are_due_in_the_same_second_expire_in_time_and_hold_up_no_command() {
    all_at_once(Deployment::embedded().await, !cfg!(debug_assertions)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_that_are_due_in_the_same_second_expire_in_time_in_a_listener_too() {
    let Some(deployment) = Deployment::real().await else { return };
    all_at_once(deployment, are_optimised()).await;
}

async fn all_at_once(mut deployment: Deployment, optimised: bool) {
    let shop = stocked(&deployment).await;
    hold_until(&shop, &deployment.database, AT_ONCE, in_seconds(if optimised { 10 } else { 30 })).await;
    assert_eq!(usize::try_from(still_pending(&deployment.database)), Ok(AT_ONCE), "none was due before all were made");
    let writing = Arc::new(AtomicBool::new(true));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(keep_writing(shop.at(client), client, Arc::clone(&writing)));
    }
    all_ended(&deployment.database).await;
    writing.store(false, Ordering::Relaxed);
    let waits: Vec<Wait> = clients.join_all().await.into_iter().flatten().collect();
    deployment.quiet().await;
    deployment.interrupt();
    let found = checker::check(&deployment.database, &shop.history());
    found.assert_clean();
    assert_eq!(found.counts.expiries, AT_ONCE);

    let story = Story::of(&deployment.database);
    story.assert_each_ended_once();
    let told: Vec<_> = story.reservations.values().collect();
    let deadlines = || told.iter().map(|told| told.deadline);
    let ends = || told.iter().map(|told| told.ends[0].1);
    let (first, last) = (deadlines().min().expect("some"), deadlines().max().expect("some"));
    let late = told.iter().map(|told| told.ends[0].1 - told.deadline).max().expect("some");
    let done = ends().max().expect("some");
    let meanwhile = waits.iter().filter(|wait| wait.sent <= done && wait.decided >= first);
    let longest = meanwhile.clone().map(|wait| wait.decided - wait.sent).max().expect("commands were sent meanwhile");
    report(&format!(
        "{AT_ONCE} due within {} ms: the last expired {} ms after the last deadline, none later than {late} ms; of {} \
         commands meanwhile none took longer than {longest} ms",
        last - first,
        done - last,
        meanwhile.count()
    ));
    let slower = if optimised { 1 } else { UNOPTIMISED };
    assert!(late <= millis(DONE_WITHIN * slower), "{late} ms after its deadline");
    assert!(longest <= millis(HELD_UP_AT_MOST * slower), "a command waited for {longest} ms");
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("short")
}

/// When a command was sent and when its outcome was known, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Wait {
    sent: i64,
    decided: i64,
}

async fn keep_writing(shop: Shop, client: u32, writing: Arc<AtomicBool>) -> Vec<Wait> {
    let mut waits = Vec::new();
    let sku = sku(usize::try_from(client).expect("small"));
    while writing.load(Ordering::Relaxed) {
        let (sent, began) = (Timestamp::wall_clock(), Instant::now());
        let adjusted = shop.adjust(&sku, 1).await.expect("accepted");
        assert_eq!(shop.outcome(&adjusted).await, "applied");
        waits.push(Wait { sent: sent.millis(), decided: sent.millis() + millis(began.elapsed()) });
    }
    waits
}

/// The last deadline is no later behind the one that was aimed at.
const LAST_AFTER: i64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_while_the_program_is_down_expires_once_when_it_is_back_also_if_it_is_killed_again() {
    killed_around_deadlines(Deployment::embedded().await, !cfg!(debug_assertions)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_while_no_listener_runs_expires_once_when_one_is_back_also_if_that_is_killed() {
    let Some(deployment) = Deployment::real().await else { return };
    killed_around_deadlines(deployment, are_optimised()).await;
}

async fn killed_around_deadlines(mut deployment: Deployment, optimised: bool) {
    let shop = stocked(&deployment).await;
    let database = deployment.database.clone();
    let due = in_seconds(if optimised { 10 } else { 30 });
    hold_until(&shop, &database, AT_ONCE, due).await;
    match &mut deployment.parts {
        Parts::Embedded(program) => program.take().expect("it runs").process.kill(),
        Parts::Real(real) => real.listeners.drain(..).for_each(|listener| listener.process.kill()),
    }
    assert_eq!(usize::try_from(still_pending(&database)), Ok(AT_ONCE), "none was due before the kill");
    // It takes as long as it takes: deadlines are times.
    eventually(2 * SOON, async || Timestamp::wall_clock() > due.plus_millis(LAST_AFTER)).await;
    assert_eq!(usize::try_from(still_pending(&database)), Ok(AT_ONCE), "nobody was there to end them");

    // Readiness is not waited for: the sweep begins with the writer.
    match &mut deployment.parts {
        Parts::Embedded(program) => {
            let process = Program::launch(deployment.folder.path(), &[]);
            amid_the_sweep(&database).await;
            process.kill();
            assert_amid_the_sweep(&database);
            *program = Some(Program::start(deployment.folder.path()).await);
        }
        Parts::Real(real) => {
            real.add_listener(&[]);
            amid_the_sweep(&database).await;
            real.listeners.pop().expect("just added").process.kill();
            assert_amid_the_sweep(&database);
            real.add_listener(&[]);
            real.ready().await;
        }
    }
    all_ended(&database).await;
    deployment.quiet().await;
    deployment.interrupt();
    let found = checker::check(&database, &shop.history());
    found.assert_clean();
    assert_eq!(found.counts.expiries, AT_ONCE);
    let story = Story::of(&database);
    story.assert_each_ended_once();
    assert_eq!((story.ended("expired"), story.stock["main"].held), (AT_ONCE, 0));
}

async fn amid_the_sweep(database: &Path) {
    eventually(SOON, async || usize::try_from(still_pending(database)) != Ok(AT_ONCE)).await;
}

fn assert_amid_the_sweep(database: &Path) {
    let left = usize::try_from(still_pending(database)).expect("some");
    report(&format!("killed with {left} of {AT_ONCE} still to expire"));
    assert!((1..AT_ONCE).contains(&left), "the kill was to come amid the sweep");
    assert_eq!(Story::of(database).ended("expired"), AT_ONCE - left, "what is committed is committed whole");
}

async fn all_ended(database: &Path) {
    eventually(3 * SOON, async || match still_pending(database) {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
}

/// At once, and how often that.
const RACES: u32 = 60;
const WAVES: u32 = 4;
const RACE_SECONDS: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_races_the_deadline_has_the_outcome_that_the_reservation_tells() {
    races(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_through_several_services_that_races_the_deadline_has_the_outcome_that_the_reservation_tells() {
    let Some(deployment) = Deployment::real().await else { return };
    races(deployment).await;
}

async fn races(mut deployment: Deployment) {
    let shop = stocked(&deployment).await;
    let mut endings = Vec::new();
    for wave in 0..WAVES {
        let mut buyers = JoinSet::new();
        for number in wave * RACES..(wave + 1) * RACES {
            buyers.spawn(race(shop.at(number), number));
        }
        for race in buyers.join_all().await {
            endings.push(ended(&shop, race).await);
        }
    }
    let endings = tally(endings);
    report(&format!("{} races with the deadline: {endings:?}", RACES * WAVES));
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
    let story = Story::of(&deployment.database);
    story.assert_each_ended_once();
    for status in ["confirmed", "released", "expired"] {
        assert_eq!(endings.get(status).copied(), Some(story.ended(status)), "a race that one side always wins is none");
    }
}

/// One reservation, and what became of the commands that raced its deadline.
struct Race {
    id: ReservationId,
    token: String,
    confirmed: Option<String>,
    cancelled: Option<String>,
}

/// Confirms or cancels or both, at some moment within 300 ms of the deadline; some a second before it, so that they win
/// also on a machine that takes its time.
async fn race(shop: Shop, number: u32) -> Race {
    let id = new_id();
    let held = shop.hold(id, "main", &sku(usize::try_from(number).expect("small")), RACE_SECONDS).await;
    let held = held.expect("accepted");
    assert_eq!(shop.outcome(&held).await, "applied");
    let seen = shop.reservation(id, &held.token).await;
    let deadline = seen["expiresAt"].as_str().and_then(Timestamp::parse).expect("a deadline");
    let early = if number.is_multiple_of(10) { 1000 } else { 0 };
    let moment = deadline.plus_millis(i64::from(number % 41) * 15 - 300 - early);
    // The moment is what the test is about; nothing is waited for.
    let left = u64::try_from(moment.millis() - Timestamp::wall_clock().millis()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left)).await;
    let confirm = async {
        if number % 3 == 1 {
            return None;
        }
        let accepted = shop.confirm(id).await.expect("accepted");
        Some(shop.outcome(&accepted).await)
    };
    let cancel = async {
        if number.is_multiple_of(3) {
            return None;
        }
        let accepted = shop.cancel(id).await.expect("accepted");
        Some(shop.outcome(&accepted).await)
    };
    let (confirmed, cancelled) = tokio::join!(confirm, cancel);
    Race { id, token: held.token, confirmed, cancelled }
}

/// How it ended, which the outcomes must agree with.
async fn ended(shop: &Shop, Race { id, token, confirmed, cancelled }: Race) -> String {
    let status = eventually(SOON, async || {
        let seen = shop.reservation(id, &token).await;
        // Until the writer has said so, it may read `expired` without having ended.
        if seen["endedAt"].is_string() { Ok(seen["status"].as_str().expect("a status").to_owned()) } else { Err(seen) }
    })
    .await;
    let (to_confirm, to_cancel) = match status.as_str() {
        "confirmed" => ("applied", "rejected RESERVATION_ALREADY_CONFIRMED"),
        "released" => ("rejected RESERVATION_ALREADY_RELEASED", "applied"),
        _ => ("rejected RESERVATION_EXPIRED", "rejected RESERVATION_EXPIRED"),
    };
    assert_eq!(confirmed.as_deref().unwrap_or(to_confirm), to_confirm, "{id} is {status}");
    assert_eq!(cancelled.as_deref().unwrap_or(to_cancel), to_cancel, "{id} is {status}");
    let winner = [confirmed, cancelled].into_iter().flatten().filter(|outcome| outcome == "applied").count();
    assert_eq!(winner, usize::from(status != "expired"), "{id} is {status}");
    status
}
