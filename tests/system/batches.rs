//! Ten thousand writes in batches of a thousand: all applied, in their order, and once however often they are sent.

use serde_json::json;
use testkit::checker;
use tokio::task::JoinSet;

use crate::client::{Accepted, Row, Shop, tally};
use crate::deployment::Deployment;
use crate::journal::last_sequence;

const ROWS: usize = 10_000;
/// The most that one request may have.
const A_BATCH: usize = 1000;
/// Each item is created, gets stock, loses some, and has a unit reserved and another one refused.
const OF_ONE_ITEM: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_in_batches_are_applied_in_their_order_and_once() {
    ten_thousand(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_in_batches_through_several_services_are_applied_in_their_order_and_once() {
    let Some(deployment) = Deployment::real().await else { return };
    ten_thousand(deployment).await;
}

async fn ten_thousand(mut deployment: Deployment) {
    let shop = Shop::of(&deployment).await;
    let rows: Vec<Row> = (0..ROWS).map(row).collect();
    let first = send(&shop, &rows).await;
    let endings = endings(&shop, &first).await;
    // In any other order some would be refused for another reason, or for none.
    let items = ROWS / OF_ONE_ITEM;
    assert_eq!((endings["applied"], endings["rejected INSUFFICIENT_STOCK"]), (items * 4, items), "{endings:?}");
    deployment.quiet().await;
    let last = last_sequence(&deployment.database);

    let again = send(&shop.at(1), &rows).await;
    let others = first.iter().zip(&again).filter(|(first, again)| first.command_id != again.command_id).count();
    assert_eq!((again.len(), others), (ROWS, 0), "the same key and row is the same command");
    deployment.quiet().await;
    assert_eq!(last_sequence(&deployment.database), last, "sent again, they change nothing");
    deployment.interrupt();
    let report = checker::check(&deployment.database, &shop.history());
    report.assert_clean();
    assert_eq!((report.counts.applied, report.counts.rejected), (items * 4, items), "{report}");
}

fn row(number: usize) -> Row {
    let sku = format!("ROW-{}", number / OF_ONE_ITEM);
    let of = |kind, fields: serde_json::Value| Row::of_item(kind, &sku, fields);
    match number % OF_ONE_ITEM {
        0 => of("ItemCreationRequested", json!({"type": "create", "sku": sku, "name": "A thing", "quantity": 2})),
        1 => of("StockAdjustmentRequested", json!({"type": "adjust", "sku": sku, "quantity": 3})),
        2 => of("StockAdjustmentRequested", json!({"type": "adjust", "sku": sku, "quantity": -4})),
        // The last unit, and then one more.
        _ => of("StockReservationRequested", json!({"type": "reserve", "sku": sku, "quantity": 1})),
    }
}

async fn send(shop: &Shop, rows: &[Row]) -> Vec<Accepted> {
    let mut sent = Vec::with_capacity(rows.len());
    for (number, rows) in rows.chunks(A_BATCH).enumerate() {
        sent.extend(shop.batch(&format!("batch-{number}"), rows).await);
    }
    sent
}

/// How each ended, asked for by several clients at once.
async fn endings(shop: &Shop, sent: &[Accepted]) -> std::collections::BTreeMap<String, usize> {
    let mut clients = JoinSet::new();
    for (client, sent) in (0..).zip(sent.chunks(A_BATCH / 2)) {
        let (shop, sent) = (shop.at(client), sent.to_vec());
        clients.spawn(async move {
            let mut endings = Vec::with_capacity(sent.len());
            for accepted in &sent {
                endings.push(shop.outcome(accepted).await);
            }
            endings
        });
    }
    tally(clients.join_all().await.into_iter().flatten())
}
