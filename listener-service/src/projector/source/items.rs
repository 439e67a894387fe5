//! Items with their levels.

use rusqlite::{OptionalExtension, Row, params};
use shared::clock::Timestamp;
use shared::id::ItemId;
use shared::read_model::{StoredItem, StoredLevel};

use super::{Load, Snapshot};

impl Snapshot<'_> {
    /// The next live items in the order of their ids, as many as one call may write.
    pub(in super::super) fn items_after(&self, after: Option<ItemId>, last: u64) -> rusqlite::Result<Vec<StoredItem>> {
        let after = after.map_or(Vec::new(), |id| id.uuid().as_bytes().to_vec());
        let mut statement = self.0.prepare_cached(
            "SELECT item_id, sku, name, description, version, created_at, updated_at, category, price_minor, currency,
                low_stock_threshold
             FROM items
             WHERE item_id > ?1 AND deleted = 0 ORDER BY item_id",
        )?;
        let mut rows = statement.query(params![after])?;
        let (mut items, mut load) = (Vec::new(), Load::default());
        while !load.is_full()
            && let Some(row) = rows.next()?
        {
            let mut item = stored_item(row, last)?;
            item.levels = self.levels(item.id)?;
            load.put_stock(&item);
            load.put_catalogue(&item);
            items.push(item);
        }
        Ok(items)
    }

    /// The item, and whether it is deleted; a deleted one has no levels.
    pub(super) fn item(&self, id: ItemId, last: u64) -> rusqlite::Result<Option<(StoredItem, bool)>> {
        let found = self
            .0
            .prepare_cached(
                "SELECT item_id, sku, name, description, version, created_at, updated_at, category, price_minor, currency,
                    low_stock_threshold, deleted
                 FROM items WHERE item_id = ?1",
            )?
            .query_row([id.uuid()], |row| Ok((stored_item(row, last)?, row.get::<_, bool>(11)?)))
            .optional()?;
        let Some((mut item, is_deleted)) = found else { return Ok(None) };
        if !is_deleted {
            item.levels = self.levels(id)?;
        }
        Ok(Some((item, is_deleted)))
    }

    fn levels(&self, id: ItemId) -> rusqlite::Result<Vec<StoredLevel>> {
        let mut statement = self.0.prepare_cached(
            "SELECT store_id, quantity, reserved, version, updated_at, own_threshold FROM stock_levels WHERE item_id = ?1
             ORDER BY store_id",
        )?;
        let levels = statement.query_map([id.uuid()], |row| {
            Ok(StoredLevel {
                store_id: row.get(0)?,
                quantity: row.get(1)?,
                reserved: row.get(2)?,
                version: row.get(3)?,
                updated_at: Timestamp::from_millis(row.get(4)?),
                low_stock_threshold: row.get(5)?,
            })
        })?;
        levels.collect()
    }
}

fn stored_item(row: &Row<'_>, as_of: u64) -> rusqlite::Result<StoredItem> {
    Ok(StoredItem {
        id: ItemId::from_uuid(row.get(0)?),
        sku: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        version: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        updated_at: Timestamp::from_millis(row.get(6)?),
        category: row.get(7)?,
        price: crate::aggregates::price(row, 8)?,
        low_stock_threshold: row.get(10)?,
        levels: Vec::new(),
        as_of,
    })
}
