//! kill -9 of the whole process under load, ten times: what got a 202 is there, once.

use std::time::Duration;

use testkit::checker;
use tokio::task::JoinSet;

use crate::client::{Shop, quiet};
use crate::program::{Program, folder};

const KILLS: u32 = 10;
const CLIENTS: u32 = 16;
/// More than any run gets through before it is killed.
const ENOUGH: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_under_load_ten_times_loses_nothing_and_repeats_nothing() {
    let (folder, database) = folder();
    let program = Program::start(folder.path()).await;
    let shop = Shop::of(&program).await;
    for sku in 0..CLIENTS {
        shop.create(&format!("KILL-{sku}"), 1000).await.expect("accepted");
    }
    let memory = shop.memory();
    let mut program = program;
    for round in 0..KILLS {
        let shop = Shop::remembering(&program, memory.clone()).await;
        let before = checked(&shop);
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(until_it_dies(shop.clone(), client));
        }
        // Some hundred answers into the load, at a moment that differs from round to round.
        let target = before + 300 + usize::try_from(round).expect("small") * 37;
        testkit::poll::eventually(Duration::from_mins(1), async || checked(&shop) >= target).await;
        program.kill();
        clients.join_all().await;
        checker::check(&database, &shop.history()).assert_clean();
        program = Program::start(folder.path()).await;
        quiet(&program).await;
    }
    assert!(program.interrupt());
    let shop_history = testkit::checker::History {
        commands: memory.lock().expect("nobody panicked").clone(),
        poison: Vec::new(),
        complete: true,
    };
    checker::check(&database, &shop_history).assert_clean();
}

fn checked(shop: &Shop) -> usize {
    shop.history().commands.iter().filter(|sent| sent.accepted).count()
}

async fn until_it_dies(shop: Shop, client: u32) {
    for turn in 0..ENOUGH {
        let sku = format!("KILL-{}", (client + turn) % CLIENTS);
        let answered = match turn % 4 {
            0 => shop.adjust(&sku, 1).await,
            1 => shop.release(&sku, 1).await,
            2 => shop.reserve(&sku, 1, Some(&format!("{client}-{turn}-{}", std::process::id()))).await,
            _ => shop.reserve(&sku, 2, None).await,
        };
        if answered.is_none() {
            return;
        }
    }
    panic!("the process was never killed");
}
