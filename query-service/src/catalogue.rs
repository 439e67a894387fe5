//! All items in memory in every order of lists, so that each page costs the same, however deep.
//!
//! It is of one moment, as a page from the database is: whoever finds it too old, or nearly, reads what has changed since,
//! in one transaction, and brings it forward.

pub(crate) mod keeper;
mod order;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::id::ItemId;
use shared::read_model::{ItemView, StoredItem};
use tokio::sync::Mutex;

use crate::document::PageView;
use crate::query::lists::{ListRequest, Sort};
use crate::query::{items, journal};
use crate::source::{Loaded, Stamp};
use order::Order;

/// What has fallen behind by more entries than this is read anew.
const MOST_CHANGES: u64 = 10_000;
/// To read so many takes no longer than a few pages from the database.
const FEW_CHANGES: u64 = 100;

/// What an item is sorted by, and what is shown of it.
#[derive(Debug)]
struct Row {
    sku: Box<str>,
    name: Box<str>,
    available: i64,
    updated_at: Timestamp,
    /// [`ItemView`] as JSON.
    shown: Box<str>,
}

/// The items of one database.
#[derive(Debug)]
pub(crate) struct Catalogue {
    held: RwLock<Option<Held>>,
    /// Who reads them, or what has changed: one at a time.
    pub(crate) turn: Arc<Mutex<()>>,
    /// Held by who keeps it young.
    keeper: Arc<Mutex<()>>,
    began: Instant,
    /// When somebody asked for a page last, in milliseconds since it began.
    asked_at: AtomicU64,
    /// With more items than this, none are held.
    most: u64,
}

#[derive(Debug)]
struct Held {
    /// The transaction that they are of; none until floors cover that.
    stamp: Option<Stamp>,
    /// The last journal entry that is in them.
    sequence: u64,
    rows: HashMap<ItemId, Arc<Row>>,
    orders: Vec<Order>,
}

impl Catalogue {
    /// Of at most so many items; holds none yet.
    pub(crate) fn new(most: u64) -> Self {
        Self {
            held: RwLock::default(),
            turn: Arc::default(),
            keeper: Arc::default(),
            began: Instant::now(),
            asked_at: AtomicU64::new(0),
            most,
        }
    }

    /// Whether there are any to bring forward.
    fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// Whether they can be brought forward to `sequence` while somebody waits for a page.
    pub(crate) fn is_near(&self, sequence: u64) -> bool {
        self.held().as_ref().is_some_and(|held| sequence.saturating_sub(held.sequence) <= FEW_CHANGES)
    }

    fn stamp(&self) -> Option<Stamp> {
        self.held().as_ref()?.stamp
    }

    fn was_asked_within(&self, time: Duration) -> bool {
        let asked_at = Duration::from_millis(self.asked_at.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(asked_at) <= time
    }

    /// The page, if its stamp holds.
    pub(crate) fn page(&self, request: &ListRequest, holds: impl Fn(&Stamp) -> bool) -> Option<Loaded<Bytes>> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.asked_at.store(now, Ordering::Relaxed);
        let held = self.held();
        let held = held.as_ref()?;
        let stamp = held.stamp.filter(holds)?;
        Some(Loaded { stamp, value: held.page(request) })
    }

    /// The page, of whatever was brought forward last. Only in one's turn.
    pub(crate) fn page_brought_forward(&self, request: &ListRequest) -> Option<Bytes> {
        self.held().as_ref().map(|held| held.page(request))
    }

    /// What was read with this stamp may be shown, unless it has been brought forward since.
    pub(crate) fn settle(&self, stamp: Stamp) {
        if let Some(held) = self.held_to_change().as_mut().filter(|held| held.sequence == stamp.sequence) {
            held.stamp = Some(stamp);
        }
    }

    /// Reads all items, unless there are too many. Only in one's turn.
    pub(crate) fn read(&self, connection: &Connection) -> rusqlite::Result<()> {
        let read = if items::count(connection)? > self.most { None } else { Some(Held::read(connection)?) };
        *self.held_to_change() = read;
        Ok(())
    }

    /// Brings all to this transaction; if they are too far behind or too many, none are held any more. Only in one's turn.
    pub(crate) fn bring_forward(&self, connection: &Connection) -> rusqlite::Result<()> {
        let last = journal::last_sequence(connection)?;
        let sequence = self.held().as_ref().map(|held| held.sequence);
        let is_near = |sequence: &u64| last.saturating_sub(*sequence) <= MOST_CHANGES;
        let is_little = items::count(connection)? <= self.most;
        let Some(sequence) = sequence.filter(is_near).filter(|_| is_little) else {
            *self.held_to_change() = None;
            return Ok(());
        };
        let changed = journal::items_changed_after(connection, sequence)?;
        let read = |id| Ok((id, items::item(connection, id)?.as_ref().map(Row::of)));
        let changed = changed.into_iter().map(read).collect::<rusqlite::Result<Vec<_>>>()?;
        let mut held = self.held_to_change();
        let Some(held) = held.as_mut() else { return Ok(()) };
        if last > sequence {
            (held.sequence, held.stamp) = (last, None);
        }
        for (id, row) in changed {
            held.replace(id, row.map(Arc::new).as_ref());
        }
        Ok(())
    }

    fn held(&self) -> RwLockReadGuard<'_, Option<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_to_change(&self) -> RwLockWriteGuard<'_, Option<Held>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let sequence = journal::last_sequence(connection)?;
        let mut rows = HashMap::new();
        items::all(connection, |item| {
            rows.insert(item.id, Arc::new(Row::of(item)));
        })?;
        let orders = Sort::all().map(|sort| Order::of(sort, rows.values().cloned().collect())).collect();
        Ok(Self { stamp: None, sequence, rows, orders })
    }

    fn page(&self, request: &ListRequest) -> Bytes {
        let order = self.orders.iter().find(|order| order.sort == request.sort).expect("there is each order");
        let passed_over = usize::try_from(request.passed_over()).unwrap_or(usize::MAX);
        let shown = order.page(passed_over, request.page_size as usize).map(|row| row.shown.as_bytes());
        PageView::of(shown.collect(), request, self.rows.len() as u64).written()
    }

    fn replace(&mut self, id: ItemId, row: Option<&Arc<Row>>) {
        let before = match row {
            Some(row) => self.rows.insert(id, Arc::clone(row)),
            None => self.rows.remove(&id),
        };
        for order in &mut self.orders {
            if let Some(before) = &before {
                order.take(before);
            }
            if let Some(row) = row {
                order.put(Arc::clone(row));
            }
        }
    }
}

impl Row {
    fn of(item: &StoredItem) -> Self {
        Self {
            sku: item.sku.as_str().into(),
            name: item.name.as_str().into(),
            available: item.quantity() - item.reserved(),
            updated_at: item.touched_at(),
            shown: ItemView::write(item).into(),
        }
    }
}

#[cfg(test)]
mod tests;
