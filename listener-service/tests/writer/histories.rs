//! Random histories: the writer says and holds what a naive model of an inventory does, at every step, whatever is sent
//! again and whenever it starts anew.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::id::ItemId;
use shared::message::{RequestEnvelope, fingerprint};
use testkit::model::random::{Turn, seeded};
use testkit::model::{Asked, Inventory};

use crate::bench::Bench;

pub(crate) const TURNS: usize = 500;

/// One turn on both sides: time passes, what is due expires, and the command ends alike.
fn take(bench: &mut Bench, model: &mut Inventory, turn: &Turn, seed: u64) {
    bench.pass(Duration::from_millis(turn.after_millis.unsigned_abs()));
    bench.sweep();
    model.expire(bench.now());
    let request = request(bench, &turn.asked);
    let objections = model.objections(&turn.asked, bench.now());
    let ending = bench.outcome(&request);
    if model.apply(&turn.asked, bench.now()).is_ok() {
        assert_eq!(ending, "applied", "seed {seed}: {:?}", turn.asked);
    } else {
        let expected: Vec<String> = objections.iter().map(|code| format!("rejected {code}")).collect();
        assert!(expected.contains(&ending), "seed {seed}: {ending}, not {expected:?}: {:?}", turn.asked);
    }
}

pub(crate) fn request(bench: &Bench, asked: &Asked) -> RequestEnvelope {
    let print = fingerprint(Some(&asked.of), &asked.command, None);
    RequestEnvelope::new(asked.of.clone(), asked.command_id, asked.command.clone(), print, bench.now())
}

/// Item, store, units on hand, units reserved; levels where nothing ever was are left out.
type Levels = BTreeMap<(ItemId, String), (i64, i64)>;

fn levels_of(bench: &Bench) -> Levels {
    let mut statement = bench
        .writer
        .connection()
        .prepare("SELECT item_id, store_id, quantity, reserved FROM stock_levels")
        .expect("readable");
    let levels =
        statement.query_map([], |row| Ok(((ItemId::from_uuid(row.get(0)?), row.get(1)?), (row.get(2)?, row.get(3)?))));
    levels.expect("readable").collect::<Result<_, _>>().expect("readable")
}

fn expected_levels(model: &Inventory) -> Levels {
    let level = |(item, store): &(ItemId, shared::text::StoreId)| {
        ((*item, store.to_string()), (model.on_hand(*item, store), model.reserved(*item, store)))
    };
    model.levels.keys().map(level).collect()
}

/// Id, status, confirmed and released units of each reservation, in the order in which they were made.
fn reservations_of(bench: &Bench) -> Vec<String> {
    let sql = "
        SELECT lower(hex(reservation_id)) || ' ' || status || ' ' || sum(confirmed) || ' ' || sum(released)
        FROM reservations r JOIN reservation_lines l ON l.reservation = r.number GROUP BY number ORDER BY number";
    let mut statement = bench.writer.connection().prepare(sql).expect("readable");
    statement.query_map([], |row| row.get(0)).expect("readable").collect::<Result<_, _>>().expect("readable")
}

fn expected_reservations(model: &Inventory) -> Vec<String> {
    let told = |one: &testkit::model::Reservation| {
        let sum = |of: fn(&testkit::model::Held) -> i64| one.lines.iter().map(of).sum::<i64>();
        let (confirmed, released) = (sum(|line| line.confirmed), sum(|line| line.released));
        format!("{} {} {confirmed} {released}", one.id.uuid().simple(), one.status)
    };
    model.reservations.iter().map(told).collect()
}

fn low_levels(bench: &Bench) -> i64 {
    let sql = "
        SELECT count(*) FROM stock_levels l JOIN items i USING (item_id)
        WHERE l.threshold >= l.quantity - l.reserved AND i.deleted = 0";
    bench.writer.connection().query_row(sql, [], |row| row.get(0)).expect("readable")
}

fn values_of(bench: &Bench) -> BTreeMap<String, i128> {
    let mut statement =
        bench.writer.connection().prepare("SELECT currency, amount_minor FROM stock_value").expect("readable");
    let values = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).expect("readable");
    let values =
        values.map(|value| value.map(|(currency, digits)| (currency, digits.parse::<i128>().expect("readable"))));
    values.filter(|value| !matches!(value, Ok((_, 0)))).collect::<Result<_, _>>().expect("readable")
}

fn hold_to(bench: &Bench, model: &Inventory, seed: u64) {
    assert_eq!(levels_of(bench), expected_levels(model), "seed {seed}");
    assert_eq!(reservations_of(bench), expected_reservations(model), "seed {seed}");
    assert_eq!(low_levels(bench), i64::try_from(model.low_stock().len()).expect("readable"), "seed {seed}");
    let mut value = model.value();
    value.retain(|_, amount| *amount != 0);
    assert_eq!(values_of(bench), value, "seed {seed}");
}

#[test]
fn the_writer_does_what_a_merchant_expects() {
    for seed in 0..6 {
        let (mut bench, mut model) = (Bench::new(), Inventory::default());
        for (n, turn) in seeded(seed, TURNS).iter().enumerate() {
            take(&mut bench, &mut model, turn, seed);
            if n % 10 == 0 {
                hold_to(&bench, &model, seed);
            }
            if n % 250 == 249 {
                bench = bench.restart();
            }
        }
        hold_to(&bench, &model, seed);
        bench.check();
    }
}

#[test]
fn batches_duplicates_and_restarts_change_nothing_of_what_comes_out() {
    for seed in 10..14 {
        let turns = seeded(seed, TURNS);
        let (mut alone, mut batched) = (Bench::new(), Bench::new());
        let mut model = Inventory::default();
        for turn in &turns {
            take(&mut alone, &mut model, turn, seed);
        }
        // Time passes before a batch, not in it: what expires between two commands of one would end them otherwise.
        let mut rest = &turns[..];
        while !rest.is_empty() {
            let together = 1 + rest[1..].iter().take_while(|turn| turn.after_millis == 0).count();
            let (batch, after) = rest.split_at(together);
            rest = after;
            batched.pass(Duration::from_millis(batch[0].after_millis.unsigned_abs()));
            batched.sweep();
            let requests: Vec<_> = batch.iter().map(|turn| request(&batched, &turn.asked)).collect();
            let twice: Vec<_> = requests.iter().flat_map(|request| [request, request]).collect();
            let messages: Vec<_> = twice.into_iter().map(|request| batched.message(request)).collect();
            batched.apply(&messages).expect("applied");
            batched.apply(&messages).expect("passed over");
            if rest.len().is_multiple_of(100) {
                batched = batched.restart();
            }
        }
        hold_to(&batched, &model, seed);
        assert_eq!(levels_of(&alone), levels_of(&batched), "seed {seed}");
        batched.check();
    }
}
