//! The SELECTs of a page, through rusqlite alone.
//!
//! Fair, for they are those of query-service (`query-service/src/query/lists.rs` and `items.rs`) for a page in the order of
//! the SKUs, prepared once, on the same database under the same writes, with as many threads as there are cores, and every
//! column of every row is read. It has no HTTP, no JSON and no cache.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rusqlite::{Connection, OpenFlags, Statement};

use crate::load::per_second;

const TOTAL: &str = "SELECT count(*) AS total FROM items i WHERE i.deleted = 0";
const PAGE: &str = "SELECT i.item_id FROM items i WHERE +i.deleted = 0 ORDER BY i.sku ASC LIMIT ? OFFSET ?";
pub(super) const ITEM: &str = "
    SELECT i.sku, i.name, i.description, i.version, i.category, i.price_minor, i.currency, i.low_stock_threshold,
           i.created_at, i.updated_at, l.store_id, l.quantity, l.reserved, l.own_threshold, l.version AS level_version,
           l.updated_at AS level_updated_at, (SELECT coalesce(max(sequence), 0) FROM journal) AS as_of
    FROM items i LEFT JOIN stock_levels l ON l.item_id = i.item_id
    WHERE i.item_id = ?1 AND i.deleted = 0 ORDER BY l.store_id";
const ITEM_COLUMNS: usize = 17;

/// Pages a second, drawn at random.
pub(crate) fn pages(path: &Path, pages: usize, size: usize, time: Duration) -> anyhow::Result<f64> {
    in_threads(time, |random, until| {
        let connection = open(path)?;
        let mut total = connection.prepare(TOTAL)?;
        let (mut page, mut item) = (connection.prepare(PAGE)?, connection.prepare(ITEM)?);
        let mut done = 0;
        while Instant::now() < until {
            total.query_row([], |row| row.get::<_, i64>(0))?;
            let offset = random.usize(..pages) * size;
            let ids: Vec<Vec<u8>> =
                page.query_map([size, offset], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            ensure!(ids.len() == size, "a page of {} items", ids.len());
            ids.iter().try_for_each(|id| read(&mut item, id))?;
            done += 1;
        }
        Ok(done)
    })
}

fn in_threads(
    time: Duration,
    work: impl Fn(&mut fastrand::Rng, Instant) -> anyhow::Result<u64> + Sync,
) -> anyhow::Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let started = Instant::now();
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..cores).map(|_| scope.spawn(|| work(&mut fastrand::Rng::new(), started + time))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("a floor does not panic"));
        joined.sum::<anyhow::Result<u64>>()
    })?;
    Ok(per_second(done, started.elapsed()))
}

/// As query-service opens it.
pub(super) fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}

/// Every column of every row.
pub(super) fn read(statement: &mut Statement<'_>, id: &[u8]) -> anyhow::Result<()> {
    let mut rows = statement.query([id])?;
    let mut found = false;
    while let Some(row) = rows.next()? {
        (0..ITEM_COLUMNS).try_for_each(|column| row.get_ref(column).map(drop))?;
        found = true;
    }
    ensure!(found, "an item is not there");
    Ok(())
}
