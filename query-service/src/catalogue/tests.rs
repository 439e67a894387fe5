//! What was brought forward is what would be read anew.

use std::time::Instant;

use rusqlite::params;
use shared::text::Sku;
use testkit::poll::eventually;

use super::keeper::Keeper;
use super::*;
use crate::following::{Applied, Following};
use crate::query::lists;
use crate::query::schema;
use crate::source::Source;

struct Database(Connection);

impl Database {
    fn new() -> Self {
        Self::of(Connection::open_in_memory().unwrap())
    }

    fn of(connection: Connection) -> Self {
        schema::create(&connection);
        connection.execute("INSERT INTO logs (log, log_id, first_seen_at) VALUES (1, 'log', 0)", []).unwrap();
        Self(connection)
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) {
        self.0.execute(sql, parameters).unwrap();
    }

    /// The number of an item decides its SKU; what else is there of it follows from the step.
    fn change(&self, number: u64, step: u64) {
        let sku = format!("{number:03}");
        let id = *ItemId::of(&Sku::parse(&sku).unwrap()).as_bytes();
        match step % 4 {
            0 => {
                let deleted = "UPDATE items SET deleted = 1 - deleted, version = version + 1 WHERE item_id = ?1";
                self.execute(deleted, [id]);
            }
            1 => self.execute(
                "UPDATE items SET name = ?2, updated_at = ?3 WHERE item_id = ?1",
                params![id, format!("n{}", step % 9), step],
            ),
            _ => {
                let item = "INSERT OR IGNORE INTO items (item_id, sku, name, version, created_at, updated_at, number)
                            VALUES (?1, ?2, 'new', 1, ?3, ?3, ?4)";
                self.execute(item, params![id, sku, step, number]);
                let level =
                    "INSERT OR REPLACE INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at)
                             VALUES (?1, ?2, ?3, 0, ?4, ?4)";
                self.execute(level, params![id, if step.is_multiple_of(2) { "main" } else { "shop" }, step % 7, step]);
            }
        }
        let entry = "INSERT INTO journal (stream, event_type, aggregate_id, fact_index, log, log_offset, occurred_at)
                     VALUES (1, 'StockAdjusted', ?1, 0, 1, 0, 0)";
        self.execute(entry, [id]);
        self.execute("UPDATE progress SET items = (SELECT count(*) FROM items WHERE deleted = 0)", []);
    }
}

fn requests() -> impl Iterator<Item = ListRequest> {
    Sort::all().flat_map(|sort| [1, 2, 9].map(|page| ListRequest { page, page_size: 8, sort, filter: <_>::default() }))
}

#[test]
fn after_any_changes_each_page_of_each_order_is_that_of_the_database() {
    let (database, catalogue) = (Database::new(), Catalogue::new(1000));
    (0..300).for_each(|step| database.change(step * 31 % 60, step));
    catalogue.read(&database.0).unwrap();
    for step in 300..900 {
        database.change(step * 31 % 60, step);
        if step % 5 != 0 {
            continue;
        }
        catalogue.bring_forward(&database.0).unwrap();
        for request in requests() {
            let page = catalogue.page_brought_forward(&request).expect("few items");
            let ids = lists::page(&database.0, &request).unwrap();
            let items: Vec<_> = ids.iter().map(|&id| items::item(&database.0, id).unwrap().unwrap()).collect();
            let items: Vec<String> = items.iter().map(ItemView::write).collect();
            let total = lists::total(&database.0, &request).unwrap();
            let expected = PageView::of(items.iter().map(String::as_bytes).collect(), &request, total).written();
            assert_eq!(page, expected, "{step}: {request:?}");
        }
    }
}

#[test]
fn a_page_is_there_once_it_is_settled_and_for_as_long_as_its_stamp_holds() {
    let (database, catalogue) = (Database::new(), Catalogue::new(1000));
    let request = requests().next().expect("one");
    let stamp = |sequence| Stamp { sequence, began: Instant::now() };
    database.change(1, 2);
    catalogue.read(&database.0).unwrap();
    let page = |holds: fn(&Stamp) -> bool| catalogue.page(&request, holds).map(|page| page.value);
    assert_eq!(page(|_| true), None, "not settled");
    catalogue.settle(stamp(1));
    let first = page(|stamp| stamp.sequence == 1);
    assert!(first.is_some() && page(|_| false).is_none());
    database.change(2, 2);
    catalogue.bring_forward(&database.0).unwrap();
    let second = catalogue.page_brought_forward(&request);
    catalogue.settle(stamp(1));
    assert_eq!(page(|_| true), None, "of another transaction");
    catalogue.settle(stamp(2));
    assert_eq!(page(|_| true), second);
    assert_ne!(first, second);
}

#[test]
fn too_many_items_are_not_held() {
    let (database, catalogue) = (Database::new(), Catalogue::new(1));
    database.change(1, 2);
    catalogue.read(&database.0).unwrap();
    catalogue.bring_forward(&database.0).unwrap();
    assert!(catalogue.is_held());
    database.change(2, 2);
    catalogue.bring_forward(&database.0).unwrap();
    assert!(!catalogue.is_held());
    catalogue.read(&database.0).unwrap();
    assert!(!catalogue.is_held());
}

#[tokio::test]
async fn it_is_brought_forward_while_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.db");
    let database = Database::of(Connection::open(&path).unwrap());
    let (catalogue, following) = (Arc::new(Catalogue::new(1000)), Arc::new(Following::of_database()));
    let keeper =
        Keeper { catalogue: Arc::clone(&catalogue), database: Source::new(&path), following: Arc::clone(&following) };
    for sequence in 1..=3 {
        database.change(sequence, 2);
        following.publish(Applied { sequence, ..Applied::default() }, &[]);
        if sequence == 1 {
            keeper.begin();
        }
        let is_of = |stamp: Stamp| stamp.sequence == sequence;
        eventually(Duration::from_secs(20), async || catalogue.stamp().is_some_and(is_of)).await;
    }
}
