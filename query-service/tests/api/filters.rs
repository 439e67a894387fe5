//! The filters of the list of items, against a model of them.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::world::{Having, World, fault};
use crate::writer::Catalogue;

const WORDS: [&str; 8] = ["usb", "Cable", "Größe", "hub", "C-3", "cab", "USB-C", "rot"];
const CATEGORIES: [Option<&str>; 4] = [None, Some("cables"), Some("Cables"), Some("hubs & more")];
const STORES: [&str; 3] = ["main", "berlin", "paris"];

struct Item {
    sku: String,
    text: String,
    category: Option<&'static str>,
    price: Option<(i64, &'static str)>,
    /// By store: what is available.
    levels: Vec<(&'static str, i64)>,
}

/// What a list is asked for.
#[derive(Debug, Default)]
struct Asked {
    category: Option<&'static str>,
    store: Option<&'static str>,
    in_stock: Option<bool>,
    currency: Option<&'static str>,
    min: Option<i64>,
    max: Option<i64>,
    search: Option<&'static str>,
    q: Option<&'static str>,
}

/// As the index of full text sees a text.
fn words(text: &str) -> Vec<String> {
    let plain = text.to_lowercase().replace('ö', "o");
    plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl Item {
    fn matches(&self, asked: &Asked) -> bool {
        let at = |store: &str| self.levels.iter().find(|level| level.0 == store).map(|level| level.1);
        let available = match asked.store {
            Some(store) => at(store).unwrap_or(0),
            None => self.levels.iter().map(|level| level.1).sum(),
        };
        let amount = |currency| self.price.filter(|price| price.1 == currency).map(|price| price.0);
        let has_words = |search: &str| {
            let (own, mut asked) = (words(&self.text), words(search));
            let last = asked.pop().unwrap();
            asked.iter().all(|word| own.contains(word)) && own.iter().any(|word| word.starts_with(&last))
        };
        asked.category.is_none_or(|category| self.category == Some(category))
            && asked.store.is_none_or(|store| at(store).is_some())
            && asked.in_stock.is_none_or(|is| (available > 0) == is)
            && asked.currency.is_none_or(|currency| {
                amount(currency).is_some_and(|amount| {
                    asked.min.is_none_or(|min| amount >= min) && asked.max.is_none_or(|max| amount <= max)
                })
            })
            && asked.search.is_none_or(has_words)
            && asked.q.is_none_or(|q| self.sku.to_lowercase().starts_with(q))
    }
}

impl Asked {
    fn of(dice: &mut Dice) -> Self {
        let mut asked = Self::default();
        if dice.below(3) == 0 {
            asked.category = dice.one_of(&[Some("cables"), Some("hubs & more"), Some("none")]);
        }
        if dice.below(3) == 0 {
            asked.store = dice.one_of(&[Some("main"), Some("paris"), Some("nowhere")]);
        }
        asked.in_stock = dice.one_of(&[None, None, Some(true), Some(false)]);
        if dice.below(3) == 0 {
            asked.currency = dice.one_of(&[Some("EUR"), Some("USD"), Some("JPY")]);
            asked.min = dice.one_of(&[None, Some(0), Some(100), Some(300)]);
            asked.max = dice.one_of(&[None, Some(100), Some(400)]);
        }
        if dice.below(3) == 0 {
            asked.search =
                Some(dice.one_of(&["usb", "c", "gross", "Größe", "cable usb", "usb hub", "rot cab", "3", "nothing"]));
        }
        asked.q = dice.one_of(&[None, None, Some("s1"), Some("s")]);
        asked
    }

    fn query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let value = value.replace('&', "%26").replace(' ', "%20");
                query.extend(["&", name, "=", &value]);
            }
        };
        add("category", self.category.map(str::to_owned));
        add("storeId", self.store.map(str::to_owned));
        add("inStock", self.in_stock.map(|is| is.to_string()));
        add("currency", self.currency.map(str::to_owned));
        add("minPrice", self.min.map(|min| min.to_string()));
        add("maxPrice", self.max.map(|max| max.to_string()));
        add("search", self.search.map(str::to_owned));
        add("q", self.q.map(str::to_owned));
        query
    }
}

fn levels(dice: &mut Dice) -> Vec<(&'static str, i64)> {
    let mut levels = Vec::new();
    for store in STORES {
        if dice.below(2) == 0 {
            levels.push((store, dice.below(3)));
        }
    }
    levels
}

async fn world(dice: &mut Dice) -> (World, Vec<Item>) {
    let mut world = World::new().await;
    let mut items = Vec::new();
    for number in 10..70 {
        let sku = format!("S{number}");
        let name = format!("{} {}", dice.one_of(&WORDS), dice.one_of(&WORDS));
        let description = dice.one_of(&[None, Some("Rot, with a hub"), Some("großes \"C-3\"")]);
        let item = Item {
            text: format!("{sku} {name} {}", description.unwrap_or_default()),
            sku,
            category: dice.one_of(&CATEGORIES),
            price: dice.one_of(&[None, Some((0, "EUR")), Some((100, "EUR")), Some((400, "EUR")), Some((300, "USD"))]),
            levels: levels(dice),
        };
        world.writer.commit(|batch| {
            batch.item(&item.sku, &name);
            let (category, price) = (item.category, item.price);
            batch.catalogue(&item.sku, &Catalogue { description, category, price, threshold: None });
            for (store, available) in &item.levels {
                batch.level_at(&item.sku, store, available + 2, 2);
            }
        });
        items.push(item);
    }
    world
        .commit(|batch| {
            batch.item("S0", "usb cable");
            batch.level("S0", 5, 0);
            batch.delete("S0");
        })
        .await;
    (world, items)
}

fn skus(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_combination_of_filters_gives_what_a_model_gives() {
    let mut dice = Dice::new(42);
    let (world, items) = world(&mut dice).await;
    let mut matched = 0;
    for _ in 0..400 {
        let asked = Asked::of(&mut dice);
        let mut expected: Vec<&Item> = items.iter().filter(|item| item.matches(&asked)).collect();
        let sort = dice.one_of(&["sku", "-sku", "-available"]);
        let available = |item: &Item| -item.levels.iter().map(|level| level.1).sum::<i64>();
        match sort {
            "-sku" => expected.reverse(),
            "-available" => expected.sort_by_key(|item| (available(item), item.sku.clone())),
            _ => {}
        }
        let expected: Vec<&str> = expected.iter().map(|item| item.sku.as_str()).collect();
        let path = format!("inventory/items?pageSize=100&sort={sort}{}", asked.query());
        let page = world.json(&path).await;
        assert_eq!((skus(&page), &page["total"]), (expected.clone(), &json!(expected.len())), "{path}");
        let second = world.json(&format!("inventory/items?pageSize=2&page=2&sort={sort}{}", asked.query())).await;
        assert_eq!(skus(&second), expected.iter().skip(2).take(2).copied().collect::<Vec<_>>(), "{path}");
        matched += expected.len();
    }
    assert!(matched > 1000, "the filters leave something: {matched}");
}

#[tokio::test]
async fn a_search_finds_words_whatever_their_case_and_accents_and_none_of_its_text_is_syntax() {
    let mut world = World::new().await;
    world
        .commit(|batch| {
            batch.item("PROD-001", "USB-C Kabel, Größe \"XL\"");
            let description = Some("Geflochten\nNOT a hub");
            batch.catalogue("PROD-001", &Catalogue { description, ..Catalogue::default() });
            batch.item("PROD-002", "Äpfel");
        })
        .await;
    for (search, expected) in [
        ("usb", "1"),
        ("USB-C", "1"),
        ("kab", "1"),
        ("kabel%20geflo", "1"),
        ("kab%20geflochten", ""),
        ("grosse", ""),
        ("gro%C3%9Fe", "1"),
        ("apfel", "2"),
        ("%C3%84PF", "2"),
        ("prod", "12"),
        ("prod-002", "2"),
        ("%22xl", "1"),
        ("name:usb", ""),
        ("usb%20OR%20apfel", ""),
        ("not%20a", "1"),
        ("usb*%20%5Ekabel", "1"),
        ("%22%22", ""),
        ("-", ""),
        ("%00", ""),
        ("%20", "12"),
        ("", "12"),
        ("%F0%9F%84%B0", ""),
    ] {
        let page = world.json(&format!("inventory/items?search={search}")).await;
        let found: String = skus(&page).iter().map(|sku| &sku[7..]).collect();
        assert_eq!(found, expected, "{search}");
    }
    world.commit(|batch| batch.item("PROD-001", "Renamed")).await;
    assert_eq!(world.json("inventory/items?search=kabel&page=2&pageSize=1").await["total"], json!(0));
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::new().await;
    let long = "x".repeat(201);
    for (query, field, code) in [
        ("category=", "category", "TOO_SHORT"),
        ("storeId=-", "storeId", "INVALID_FORMAT"),
        ("inStock=yes", "inStock", "INVALID_FORMAT"),
        ("currency=eur", "currency", "INVALID_FORMAT"),
        ("minPrice=1", "minPrice", "REQUIRED"),
        ("maxPrice=1", "maxPrice", "REQUIRED"),
        ("currency=EUR&minPrice=-1", "minPrice", "OUT_OF_RANGE"),
        ("currency=EUR&maxPrice=1000000000001", "maxPrice", "OUT_OF_RANGE"),
        (&format!("search={long}"), "search", "TOO_LONG"),
        ("inStock=true&inStock=true", "inStock", "REPEATED"),
        ("price=1", "price", "UNKNOWN_PARAMETER"),
    ] {
        assert_eq!(world.faults(&format!("inventory/items?{query}")).await, [fault(field, code)], "{query}");
    }
    world.client.get("/api/v1/inventory/items?currency=EUR&minPrice=5&maxPrice=4").await.having(200);
}
