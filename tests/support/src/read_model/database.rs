//! What the model should be, worked out from the database.

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction};
use shared::clock::Timestamp;
use shared::id::{CommandId, Id};
use shared::outcome::OutcomeStatus;
use shared::read_model::{Order, SENTINEL, StoredItem, StoredLevel, StoredOutcome, row, tip};
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
        let changed = "SELECT item_id, max(sequence) FROM journal WHERE item_id IS NOT NULL GROUP BY item_id";
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
        })
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

fn all<T>(
    snapshot: &Transaction<'_>,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    snapshot.prepare(sql)?.query_map([], read)?.collect()
}

fn items(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, StoredItem>> {
    let live = "SELECT item_id, sku, name, description, version, created_at, updated_at FROM items WHERE deleted = 0";
    let mut items: BTreeMap<String, StoredItem> = all(snapshot, live, |row| {
        let item = StoredItem {
            id: Id::from_uuid(row.get(0)?),
            sku: row.get(1)?,
            name: row.get(2)?,
            description: row.get(3)?,
            version: row.get(4)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            updated_at: Timestamp::from_millis(row.get(6)?),
            levels: Vec::new(),
            as_of: 0,
        };
        Ok((item.id.to_string(), item))
    })?
    .into_iter()
    .collect();
    let levels = "SELECT item_id, store_id, quantity, reserved, version, updated_at FROM stock_levels
                  ORDER BY item_id, store_id";
    for (item, level) in all(snapshot, levels, |row| {
        let level = StoredLevel {
            store_id: row.get(1)?,
            quantity: row.get(2)?,
            reserved: row.get(3)?,
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

fn outcomes(snapshot: &Transaction<'_>) -> rusqlite::Result<BTreeMap<CommandId, StoredOutcome>> {
    let sql = "SELECT command_id, status, type, item_id, version, sequence, applied_at, code, detail, dead_letter_id
               FROM outcomes";
    let found = all(snapshot, sql, |row| {
        let status: String = row.get(1)?;
        let outcome = StoredOutcome {
            status: OutcomeStatus::parse(&status).expect("a CHECK names the statuses"),
            kind: row.get(2)?,
            item_id: Some(Id::from_uuid(row.get(3)?)),
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
