//! The rules of memory, with loads that the tests hold and let go.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;

type Bodies = Memory<u8, bytes::Bytes>;

fn memory() -> Bodies {
    Memory::of_bodies(Duration::from_mins(1))
}

fn loaded(sequence: u64) -> Loaded<bytes::Bytes> {
    let value = bytes::Bytes::from(sequence.to_string());
    Loaded { stamp: Stamp { sequence, began: Instant::now() }, value }
}

#[tokio::test]
async fn a_load_that_began_before_an_announcement_is_neither_kept_nor_served() {
    let (memory, floor, began, go) = (memory(), AtomicU64::new(0), Semaphore::new(0), Semaphore::new(0));
    let state = AtomicU64::new(5);
    let load = || async {
        let sequence = state.load(Ordering::SeqCst);
        began.add_permits(1);
        go.acquire().await.unwrap().forget();
        Ok(loaded(sequence))
    };
    let announce = async {
        began.acquire().await.unwrap().forget();
        state.store(6, Ordering::SeqCst);
        floor.store(6, Ordering::SeqCst);
        go.add_permits(2);
    };
    let (answer, ()) =
        tokio::join!(memory.load(&1, load, |stamp| stamp.sequence >= floor.load(Ordering::SeqCst)), announce);
    assert_eq!(answer.unwrap().stamp.sequence, 6);
    assert_eq!(memory.kept(&1, |_| true).await.unwrap().stamp.sequence, 6);
}

#[tokio::test]
async fn a_nothing_that_began_before_the_creation_was_announced_is_not_told() {
    let (memory, floor, loads) = (memory(), AtomicU64::new(0), AtomicUsize::new(0));
    let load = || async {
        if loads.fetch_add(1, Ordering::SeqCst) == 0 {
            floor.store(6, Ordering::SeqCst);
            return Err(Missing::Nothing(loaded(5).stamp));
        }
        Ok(loaded(6))
    };
    let answer = memory.load(&1, load, |stamp| stamp.sequence >= floor.load(Ordering::SeqCst)).await;
    assert_eq!(answer.unwrap().stamp.sequence, 6);
}

#[tokio::test]
async fn a_missing_key_is_loaded_once_however_many_ask() {
    let (memory, loads) = (memory(), AtomicUsize::new(0));
    let asked = AtomicUsize::new(0);
    let ask = || async {
        asked.fetch_add(1, Ordering::SeqCst);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            while asked.load(Ordering::SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
            Ok(loaded(1))
        };
        memory.load(&1, load, |_| true).await.map(drop)
    };
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn loads_that_are_overtaken_each_time_come_to_an_end() {
    let (memory, loads) = (memory(), AtomicU64::new(0));
    let load = || async { Ok(loaded(loads.fetch_add(1, Ordering::SeqCst))) };
    let answer = memory.load(&1, load, |_| false).await.unwrap();
    assert_eq!((answer.stamp.sequence, loads.load(Ordering::SeqCst)), (3, 4));
}

#[tokio::test]
async fn nothing_and_failures_are_not_kept() {
    let memory = memory();
    for missing in [Missing::Nothing(loaded(1).stamp), Missing::Failed(SourceError("gone".to_owned()))] {
        let load = || std::future::ready(Err(missing.clone()));
        assert!(memory.load(&1, load, |_| true).await.is_err());
        assert!(memory.kept(&1, |_| true).await.is_none());
    }
}

#[tokio::test]
async fn what_was_loaded_outside_does_not_replace_something_newer() {
    let memory = memory();
    for (sequence, kept) in [(5, 5), (4, 5), (6, 6)] {
        memory.keep(1, Arc::new(loaded(sequence))).await;
        assert_eq!(memory.kept(&1, |_| true).await.unwrap().stamp.sequence, kept);
    }
}

#[test]
fn expiry_varies_within_a_tenth_of_the_ttl() {
    let expiry = Jittered { ttl: Duration::from_secs(100) };
    let of = |last: u128| expiry.of(&AggregateId::Item(shared::id::Id::from_uuid(uuid::Uuid::from_u128(last))));
    assert_eq!((of(0), of(255)), (Duration::from_secs(100), Duration::from_secs(90)));
}

fn documents(capacity: u64, ttl: Duration) -> (Memory<AggregateId, Entry>, AggregateId) {
    (Memory::of_documents(capacity, ttl), AggregateId::Store(shared::text::StoreId::parse("main").unwrap()))
}

fn store(sequence: u64) -> Arc<Loaded<Entry>> {
    let text = r#"{"storeId":"main","name":"Main","location":null,"active":true,"version":1,
        "createdAt":"2026-11-22T10:10:00Z","updatedAt":"2026-11-22T10:10:00Z"}"#;
    let value = Entry::of_store(&serde_json::from_str(text).unwrap());
    Arc::new(Loaded { stamp: loaded(sequence).stamp, value })
}

#[tokio::test]
async fn a_document_is_found_again_until_it_no_longer_holds_or_is_forgotten() {
    let (memory, key) = documents(10, Duration::from_mins(1));
    memory.keep(key.clone(), store(5)).await;
    for _ in 0..3 {
        assert_eq!(memory.kept(&key, |_| true).await.unwrap().stamp.sequence, 5);
    }
    assert!(memory.kept(&key, |stamp| stamp.sequence > 5).await.is_none());
    memory.keep(key.clone(), store(6)).await;
    assert_eq!(memory.kept(&key, |stamp| stamp.sequence > 5).await.unwrap().stamp.sequence, 6);
    // And so for who would be content with the older one.
    assert_eq!(memory.kept(&key, |_| true).await.unwrap().stamp.sequence, 6);
    memory.forget(&key).await;
    assert!(memory.kept(&key, |_| true).await.is_none());
}

#[tokio::test]
async fn a_document_is_not_found_for_longer_than_its_ttl() {
    let ttl = Duration::from_millis(200);
    let (memory, key) = documents(10, ttl);
    let kept = Instant::now();
    memory.keep(key.clone(), store(5)).await;
    loop {
        let age = kept.elapsed();
        if memory.kept(&key, |_| true).await.is_none() {
            break;
        }
        assert!(age < 2 * ttl, "still there after {age:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
