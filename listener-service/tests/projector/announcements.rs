//! What is told on the channel: each step of the sequence once, in order, and that the projector is there.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use shared::read_model::{Announcement, FILLING, HEARTBEAT_MILLIS, ITEMS, channel};
use testkit::redis_server::RedisServer;

use crate::bench::{adjust, item, request};
use crate::proxy::Proxy;
use crate::world::{SOON, World, catalogue, create, delete, settle};

/// Everything that is told from here on.
pub(crate) struct Ear(Receiver<Announcement>);

impl Ear {
    /// Its thread ends with Redis.
    pub(crate) fn on(redis: &RedisServer) -> Self {
        let mut connection = redis.connect().expect("connected");
        let (heard, ear) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            let mut subscription = connection.as_pubsub();
            subscription.subscribe(channel(0)).expect("subscribed");
            ready.send(()).expect("somebody waits");
            while let Ok(message) = subscription.get_message() {
                let text: String = message.get_payload().expect("text");
                if heard.send(serde_json::from_str(&text).expect("an announcement")).is_err() {
                    return;
                }
            }
        });
        is_ready.recv().expect("subscribed");
        Self(ear)
    }

    /// The next one; none if nothing is told for a while.
    pub(crate) fn next(&self) -> Option<Announcement> {
        self.0.recv_timeout(Duration::from_millis(100)).ok()
    }

    pub(crate) fn all(&self) -> Vec<Announcement> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// Each takes up where the one before ended; returns where the last one did.
pub(crate) fn assert_contiguous(announcements: &[Announcement], from: u64) -> u64 {
    let mut at = from;
    for announcement in announcements {
        assert_eq!(announcement.previous, at, "{announcement:?}");
        assert!(announcement.sequence >= at && announcement.journal >= announcement.sequence);
        at = announcement.sequence;
    }
    at
}

#[test]
fn every_step_is_told_once_with_what_changed_in_it() {
    let Some(mut world) = World::new("every_step_is_told_once_with_what_changed_in_it", &[]) else { return };
    let ear = Ear::on(&world.redis);
    world.settle();
    world.apply_all(&catalogue(450));
    world.settle();
    let (add, remove) = (request(item("SKU-000001"), adjust(1)), delete(item("SKU-000002")));
    world.apply(&add);
    world.apply(&remove);
    let state = world.settle_and_compare();
    let told = ear.all();
    assert_eq!(assert_contiguous(&told, 0), state.sequence);
    let of = |which: fn(&Announcement) -> usize| told.iter().map(which).sum::<usize>();
    assert_eq!(of(|a| a.commands.len()), 452, "each command once");
    let items: BTreeSet<_> = told.iter().flat_map(|a| a.items.clone()).collect();
    assert_eq!(items.len(), 450);
    let last = told.iter().rfind(|a| !a.items.is_empty()).expect("told");
    let expected = BTreeSet::from([item("SKU-000001"), item("SKU-000002")]);
    assert_eq!(last.items.iter().copied().collect::<BTreeSet<_>>(), expected, "deleted ones too");
    assert_eq!((last.generation, last.next_offset, last.log.clone()), (state.generation, state.next_offset, state.log));
}

#[test]
fn an_answer_that_is_lost_does_not_make_anything_happen_or_be_told_twice() {
    let test = "an_answer_that_is_lost_does_not_make_anything_happen_or_be_told_twice";
    let Some(mut world) = World::new(test, &[]) else { return };
    let ear = Ear::on(&world.redis);
    let proxy = Proxy::to(world.redis.address());
    let mut projector = world.another_at(proxy.address());
    settle(&mut projector);
    let generation = world.compare().generation;
    for n in 0..20 {
        world.apply(&create(&format!("SKU-{n}"), "A thing", n));
        proxy.lose_next();
        while !proxy.has_lost() {
            projector.step();
        }
        settle(&mut projector);
        let state = world.compare();
        assert_eq!(state.generation, generation, "it was found to be done, not filled again");
    }
    let told = ear.all();
    assert_contiguous(&told, 0);
    assert_eq!(told.iter().map(|a| a.commands.len()).sum::<usize>(), 20);
}

#[test]
fn a_fill_that_loses_any_one_answer_goes_on() {
    let Some(mut world) = World::new("a_fill_that_loses_any_one_answer_goes_on", &[]) else { return };
    world.apply_all(&catalogue(450));
    let proxy = Proxy::to(world.redis.address());
    for lost in 0..12 {
        world.redis.command::<()>(&["FLUSHALL"]);
        let mut projector = world.another_at(proxy.address());
        for _ in 0..lost {
            projector.step();
        }
        let filling: Option<String> = world.redis.command(&["HGET", ITEMS, FILLING]);
        proxy.lose_next();
        while !proxy.has_lost() {
            projector.step();
        }
        settle(&mut projector);
        let generation = world.compare().generation.to_string();
        assert!(filling.is_none_or(|filling| filling.starts_with(&generation)), "it was begun again");
    }
}

#[test]
fn a_projector_with_nothing_to_do_says_that_it_is_there() {
    let Some(mut world) = World::new("a_projector_with_nothing_to_do_says_that_it_is_there", &[]) else { return };
    world.apply(&create("A", "A thing", 1));
    let running = world.run();
    let state = world.compare();
    let ear = Ear::on(&world.redis);
    let heartbeat = Duration::from_millis(HEARTBEAT_MILLIS);
    let (started, mut last) = (Instant::now(), Instant::now());
    let mut heard = 0;
    while heard < 10 {
        assert!(last.elapsed() < heartbeat && started.elapsed() < SOON, "silence for {:?}", last.elapsed());
        let Some(told) = ear.next() else { continue };
        let at = (told.generation, told.previous, told.sequence, told.journal, told.items.len());
        assert_eq!(at, (state.generation, 2, 2, 2, 0));
        (heard, last) = (heard + 1, Instant::now());
    }
    world.stop(running);
}
