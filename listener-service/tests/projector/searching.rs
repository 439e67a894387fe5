//! The terms and the shared beginnings: for any catalogue and prefix, their difference is the number of items found.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::read_model::{SHARED_BEGINNINGS, TERMS};
use shared::search;

use crate::world::{World, create};

fn names() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec!["a", "ab", "abc", "Ab-ab", "é", "éa", "ê", "日本", "日", "2m", "İ", "ß", "ﬁ"]);
    let name = prop::collection::vec(word, 1..5).prop_map(|words| words.join(" "));
    prop::collection::vec(name, 1..8)
}

#[test]
fn for_any_catalogue_and_prefix_the_count_is_that_of_the_items_found() {
    let test = "for_any_catalogue_and_prefix_the_count_is_that_of_the_items_found";
    let Some(world) = World::new(test, &[]) else { return };
    let world = std::cell::RefCell::new(world);
    let catalogues = std::cell::Cell::new(0);
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&names(), |names| {
            let world = &mut *world.borrow_mut();
            let number = catalogues.replace(catalogues.get() + 1);
            let items: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(n, name)| (format!("{}A{number}-{n}", "ab".repeat(n % 3)), name))
                .collect();
            world.apply_all(&items.iter().map(|(sku, name)| create(sku, name, 1)).collect::<Vec<_>>());
            world.settle();
            let terms: Vec<_> = items.iter().map(|(sku, name)| search::terms(sku, name)).collect();
            for prefix in terms.iter().flatten().flat_map(|term| prefixes(term)) {
                let found = |terms: &&Vec<String>| terms.iter().any(|term| term.starts_with(&prefix));
                let here = terms.iter().filter(found).count();
                let counted = count(world, TERMS, &prefix) - count(world, SHARED_BEGINNINGS, &prefix);
                prop_assert_eq!(counted, i64::try_from(here).expect("few"), "{:?}", prefix);
            }
            for (sku, _) in &items {
                world.apply(&crate::world::delete(crate::bench::item(sku)));
            }
            world.settle_and_compare();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn prefixes(term: &str) -> impl Iterator<Item = String> + '_ {
    term.char_indices().map(|(at, c)| term[..at + c.len_utf8()].to_owned())
}

fn count(world: &World, key: &str, prefix: &str) -> i64 {
    let mut connection = world.redis.connect().expect("connected");
    let (from, to) = ([b"[", prefix.as_bytes()].concat(), [b"(", prefix.as_bytes(), b"\xff"].concat());
    redis::cmd("ZLEXCOUNT").arg(key).arg(from).arg(to).query(&mut connection).expect("counted")
}
