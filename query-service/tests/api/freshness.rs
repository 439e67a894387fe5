//! Memory is told what changed: nothing old is shown after something new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::world::{Having, World};

const ITEM: &str = "/api/v1/inventory/items/sku/PROD-001";

#[tokio::test]
async fn an_answer_comes_from_memory_until_something_changes() {
    let mut world = World::with_cable().await;
    let origin = async |path: &str| world.client.get(path).await.having(200).header("x-cache").unwrap().to_owned();
    assert_eq!(origin(ITEM).await, "database");
    assert_eq!(origin(ITEM).await, "memory");
    assert_eq!(origin(&format!("{ITEM}/stock")).await, "memory");
    let other = world.writer.commit(|batch| batch.item("B", "B"));
    assert_eq!(origin(&format!("{ITEM}?token={other}")).await, "memory", "another item changed");
    let token = world.writer.commit(|batch| batch.level("PROD-001", 11, 2));
    let origin = async |path: &str| world.client.get(path).await.having(200).header("x-cache").unwrap().to_owned();
    assert_eq!(origin(&format!("{ITEM}?token={token}")).await, "database");
    assert_eq!(origin(ITEM).await, "memory");
}

#[tokio::test]
async fn a_nothing_is_not_kept() {
    let mut world = World::new().await;
    world.client.get(ITEM).await.having(404);
    let token = world.writer.commit(|batch| batch.item("PROD-001", "Cable"));
    world.client.get(&format!("{ITEM}?token={token}")).await.having(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_version_go_back_while_a_writer_writes() {
    // All of it is kept: the folder, say, would go with its handle, and the file with it.
    let World { client, mut writer, shutdown: _shutdown, running: _running, folder: _folder } =
        World::with_cable().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let paths = [format!("{ITEM}/stock"), "/api/v1/inventory/stock?skus=PROD-001".to_owned()];
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let (client, is_over, paths) = (client.clone(), Arc::clone(&is_over), paths.clone());
            tokio::spawn(async move {
                let (mut last, mut seen) = (0, 0);
                while !is_over.load(Ordering::Acquire) || seen == 0 {
                    let path = &paths[(seen + reader) % 2];
                    let body = client.get(path).await.having(200).json();
                    let level = body.get("levels").map_or(&body, |levels| &levels[0]);
                    let version = level["version"].as_u64().unwrap();
                    assert!(version >= last, "{path}: {version} after {last}");
                    (last, seen) = (version, seen + 1);
                }
                last
            })
        })
        .collect();
    let writing = tokio::task::spawn_blocking(move || {
        for quantity in 0..2000 {
            writer.commit(|batch| batch.level("PROD-001", quantity, 0));
        }
        writer.commit(|batch| batch.level("PROD-001", 1, 0))
    });
    let token = writing.await.unwrap();
    is_over.store(true, Ordering::Release);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    let last = client.get(&format!("{ITEM}/stock?token={token}")).await.having(200).json();
    assert_eq!(last["version"], json!(2002));
}
