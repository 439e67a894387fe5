//! What the model should be, worked out from the database.

mod holds;

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction};
use shared::aggregate::AggregateKind;
use shared::clock::Timestamp;
use shared::id::{CommandId, Id};
use shared::outcome::OutcomeStatus;
use shared::price::{AmountMinor, Currency, Price};
use shared::read_model::{
    Order, SENTINEL, StoredItem, StoredLevel, StoredOutcome, StoredReservation, StoredStore, StoredSummary, row, tip,
};
use shared::search;
use uuid::Uuid;

use super::Members;

/// Everything in the database that the model is made from.
pub(super) struct Expected {
    pub(super) sequence: u64,
    pub(super) tip: String,
    pub(super) log: Option<String>,
    pub(super) next_offset: i64,
    pub(super) epoch: i64,
    pub(super) superseded: Vec<String>,
    pub(super) items: BTreeMap<String, StoredItem>,
    /// The last sequence about each item.
    pub(super) changed: BTreeMap<String, u64>,
    pub(super) outcomes: BTreeMap<CommandId, StoredOutcome>,
    pub(super) reservations: BTreeMap<String, StoredReservation>,
    pub(super) stores: BTreeMap<String, StoredStore>,
    pub(super) summary: StoredSummary,
}

impl Expected {
    pub(super) fn read(snapshot: &Transaction<'_>) -> rusqlite::Result<Self> {
        let text = |row: &Row<'_>| row.get::<_, String>(0);
        let (log, next_offset) =
            all(snapshot, "SELECT log_id, coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .pop()
            .map_or((None, 0), |(log, next)| (Some(log), next));
        let last = "SELECT sequence, command_id, fact_index, occurred_at FROM journal ORDER BY sequence DESC LIMIT 1";
        let last = all(snapshot, last, |row| {
            let command = row.get::<_, Option<Uuid>>(1)?.map(CommandId::from_uuid);
            Ok((row.get(0)?, tip(command, row.get(2)?, Timestamp::from_millis(row.get(3)?))))
        })?;
        let (sequence, tip) = last.into_iter().next().unwrap_or_default();
        let changed = "SELECT aggregate_id, max(sequence) FROM journal
                       WHERE aggregate = 0 AND aggregate_id IS NOT NULL GROUP BY aggregate_id";
        Ok(Self {
            sequence,
            tip,
            log,
            next_offset,
            epoch: snapshot.query_row("SELECT epoch FROM lease", [], |row| row.get(0))?,
            superseded: all(snapshot, "SELECT log_id FROM logs WHERE superseded_at IS NOT NULL ORDER BY log", text)?,
            items: items(snapshot)?,
            changed: all(snapshot, changed, |row| Ok((row.get::<_, Uuid>(0)?.to_string(), row.get(1)?)))?
                .into_iter()
                .collect(),
            outcomes: outcomes(snapshot)?,
            reservations: holds::reservations(snapshot)?,
            stores: holds::stores(snapshot)?,
            summary: holds::summary(snapshot, sequence)?,
        })
    }

    /// What an item can be found by, one a line; a low level has one of its own, which is no member of the set.
    pub(super) fn facets(&self) -> BTreeMap<String, String> {
        self.items.values().map(|item| (item.sku.clone(), format!("\n{}\n", facets(item).join("\n")))).collect()
    }

    pub(super) fn by_facet(&self) -> Members {
        let members = self.items.values().flat_map(|item| {
            let facets = facets(item).into_iter().filter(|facet| !facet.starts_with('l'));
            facets.map(|facet| format!("{facet}\n{}", item.sku))
        });
        marked(members)
    }

    pub(super) fn low_stock(&self) -> Members {
        let low = |item: &StoredItem| {
            let levels: Vec<_> = item.levels.iter().filter(|level| is_low(item, level)).collect();
            levels.into_iter().map(|level| format!("{}\n{}", item.sku, level.store_id)).collect::<Vec<_>>()
        };
        marked(self.items.values().flat_map(low))
    }

    pub(super) fn most_reserved(&self) -> Members {
        let reserved = |item: &StoredItem| item.levels.iter().map(|level| level.reserved).sum::<i64>();
        let mut members = marked([]);
        for item in self.items.values().filter(|item| reserved(item) > 0) {
            members.insert(item.sku.clone().into(), format!("-{}", reserved(item)));
        }
        members
    }

    pub(super) fn rows(&self) -> BTreeMap<String, String> {
        let row = |item: &StoredItem| row(item.id, &item.name, &search::terms(&item.sku, &item.name));
        self.items.values().map(|item| (item.sku.clone(), row(item))).collect()
    }

    pub(super) fn terms(&self) -> Members {
        let mut members = Members::from([(SENTINEL.into(), "0".to_owned())]);
        for item in self.items.values() {
            for term in search::terms(&item.sku, &item.name) {
                members.insert(format!("{term}\n{}", item.sku).into(), "0".to_owned());
            }
        }
        members
    }

    pub(super) fn shared_beginnings(&self) -> Members {
        let mut members = Members::from([(SENTINEL.into(), "0".to_owned())]);
        for item in self.items.values() {
            for (index, pair) in search::terms(&item.sku, &item.name).windows(2).enumerate() {
                let both = pair[0].chars().zip(pair[1].chars()).take_while(|(a, b)| a == b);
                let beginning: String = both.map(|(a, _)| a).collect();
                if !beginning.is_empty() {
                    members.insert(format!("{beginning}\n{}\n{index}", item.sku).into(), "0".to_owned());
                }
            }
        }
        members
    }

    pub(super) fn order(&self, order: Order) -> Members {
        let member = |item: &StoredItem| {
            let sum: i64 = item.levels.iter().map(|level| level.quantity - level.reserved).sum();
            let touched = item.levels.iter().map(|level| level.updated_at).chain([item.updated_at]).max();
            let touched = touched.unwrap_or(item.updated_at).millis();
            let sku = item.sku.clone().into_bytes();
            match order {
                Order::Sku => (sku, 0),
                Order::Name => ([item.name.as_bytes(), b"\n", &sku].concat(), 0),
                Order::NameDescending => {
                    let name: Vec<u8> = item.name.bytes().map(|byte| 255 - byte).collect();
                    ([&name, &[255][..], &sku].concat(), 0)
                }
                Order::Available => (sku, sum),
                Order::AvailableDescending => (sku, -sum),
                Order::UpdatedAt => (sku, touched),
                Order::UpdatedAtDescending => (sku, -touched),
            }
        };
        self.items.values().map(member).map(|(member, score)| (member, score.to_string())).collect()
    }
}

/// With what a sorted set begins with.
pub(super) fn marked(members: impl IntoIterator<Item = String>) -> Members {
    let members = members.into_iter().chain([SENTINEL.to_owned()]);
    members.map(|member| (member.into_bytes(), "0".to_owned())).collect()
}

fn is_low(item: &StoredItem, level: &StoredLevel) -> bool {
    let threshold = level.low_stock_threshold.or(item.low_stock_threshold);
    threshold.is_some_and(|threshold| level.quantity - level.reserved <= threshold)
}

fn facets(item: &StoredItem) -> Vec<String> {
    let digit = |available: i64| i32::from(available > 0);
    let mut facets = vec![format!("a{}", digit(item.levels.iter().map(|level| level.quantity - level.reserved).sum()))];
    facets.extend(item.category.as_ref().map(|category| format!("c{category}")));
    facets.extend(item.price.map(|price| format!("p{} {:013}", price.currency, price.amount_minor.minor())));
    for level in &item.levels {
        facets.push(format!("s{} {}", level.store_id, digit(level.quantity - level.reserved)));
        if is_low(item, level) {
            facets.push(format!("l{}", level.store_id));
        }
    }
    facets
}

fn all<T>(
    snapshot: &Transaction<'_>,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    snapshot.prepare(sql)?.query_map([], read)?.collect()
}

fn items(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, StoredItem>> {
    let live =
        "SELECT item_id, sku, name, description, version, created_at, updated_at, category, currency, price_minor,
                       low_stock_threshold
                FROM items WHERE deleted = 0";
    let mut items: BTreeMap<String, StoredItem> = all(snapshot, live, |row| {
        let item = StoredItem {
            id: Id::from_uuid(row.get(0)?),
            sku: row.get(1)?,
            name: row.get(2)?,
            description: row.get(3)?,
            version: row.get(4)?,
            category: row.get(7)?,
            price: price(row.get(8)?, row.get(9)?),
            low_stock_threshold: row.get(10)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            updated_at: Timestamp::from_millis(row.get(6)?),
            levels: Vec::new(),
            as_of: 0,
        };
        Ok((item.id.to_string(), item))
    })?
    .into_iter()
    .collect();
    let levels = "SELECT item_id, store_id, quantity, reserved, version, updated_at, own_threshold FROM stock_levels
                  ORDER BY item_id, store_id";
    for (item, level) in all(snapshot, levels, |row| {
        let level = StoredLevel {
            store_id: row.get(1)?,
            quantity: row.get(2)?,
            reserved: row.get(3)?,
            low_stock_threshold: row.get(6)?,
            version: row.get(4)?,
            updated_at: Timestamp::from_millis(row.get(5)?),
        };
        Ok((row.get::<_, Uuid>(0)?.to_string(), level))
    })? {
        if let Some(item) = items.get_mut(&item) {
            item.levels.push(level);
        }
    }
    Ok(items)
}

fn price(currency: Option<String>, minor: Option<i64>) -> Option<Price> {
    let currency = Currency::parse(&currency?).expect("the writer writes codes of ISO 4217");
    Some(Price { amount_minor: AmountMinor::parse(minor?).expect("a CHECK holds the range"), currency })
}

fn outcomes(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<CommandId, StoredOutcome>> {
    let sql =
        "SELECT command_id, status, type, aggregate_id, version, sequence, applied_at, code, detail, dead_letter_id,
                      aggregate
               FROM outcomes";
    let found = all(snapshot, sql, |row| {
        let status: String = row.get(1)?;
        let kind = AggregateKind::from_number(row.get(10)?).expect("a CHECK names the kinds");
        let outcome = StoredOutcome {
            status: OutcomeStatus::parse(&status).expect("a CHECK names the statuses"),
            kind: row.get(2)?,
            of: Some(kind.read(&row.get::<_, Vec<u8>>(3)?).expect("an id of its kind")),
            version: row.get(4)?,
            sequence: row.get(5)?,
            applied_at: Timestamp::from_millis(row.get(6)?),
            code: row.get(7)?,
            detail: row.get(8)?,
            dead_letter_id: row.get::<_, Option<Uuid>>(9)?.map(Id::from_uuid),
        };
        Ok((CommandId::from_uuid(row.get(0)?), outcome))
    })?;
    Ok(found.into_iter().collect())
}
