//! The chains of the ledger, one a level.

use rusqlite::{Connection, OptionalExtension};
use shared::id::ItemId;

/// A level, and the end of its chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) store_id: String,
    /// `None` if nothing has moved it.
    pub(crate) moved: Option<u64>,
}

/// The levels of an item, deleted or not.
pub(crate) fn levels(connection: &Connection, item: ItemId) -> rusqlite::Result<Vec<Level>> {
    let mut statement = connection.prepare_cached("SELECT store_id, moved FROM stock_levels WHERE item_id = ?1")?;
    let levels = statement.query_map([item.as_bytes()], |row| {
        let moved: Option<i64> = row.get("moved")?;
        Ok(Level { store_id: row.get("store_id")?, moved: moved.map(i64::cast_unsigned) })
    })?;
    levels.collect()
}

/// The end of one level's chain.
pub(crate) fn end(connection: &Connection, item: ItemId, store: &str) -> rusqlite::Result<Option<u64>> {
    let mut statement =
        connection.prepare_cached("SELECT moved FROM stock_levels WHERE item_id = ?1 AND store_id = ?2")?;
    let moved = statement.query_row((item.as_bytes(), store), |row| row.get::<_, Option<i64>>("moved")).optional()?;
    Ok(moved.flatten().map(i64::cast_unsigned))
}

/// The last movement of a chain at `until` or before. Whatever the jumps are, as long as they lead back: with those that
/// the writer makes it takes log n steps.
pub(crate) fn last_until(connection: &Connection, end: Option<u64>, until: u64) -> rusqlite::Result<Option<u64>> {
    back(end, until, |sequence| links(connection, sequence))
}

fn back(end: Option<u64>, until: u64, links: impl Fn(u64) -> rusqlite::Result<Links>) -> rusqlite::Result<Option<u64>> {
    let mut at = end;
    while let Some(sequence) = at
        && sequence > until
    {
        let links = links(sequence)?;
        at = links.jump.filter(|&jump| jump > until).or(links.previous);
    }
    Ok(at)
}

#[derive(Debug, Clone, Copy)]
struct Links {
    previous: Option<u64>,
    jump: Option<u64>,
}

fn links(connection: &Connection, sequence: u64) -> rusqlite::Result<Links> {
    let mut statement = connection.prepare_cached("SELECT previous, jump FROM movements WHERE sequence = ?1")?;
    statement.query_row([sequence.cast_signed()], |row| {
        let (previous, jump): (Option<i64>, Option<i64>) = (row.get("previous")?, row.get("jump")?);
        Ok(Links { previous: previous.map(i64::cast_unsigned), jump: jump.map(i64::cast_unsigned) })
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The links of a chain of sequences 1 to `length`, made by the writer's rule (Myers 1983).
    fn chain(length: u64) -> Vec<Links> {
        let mut chain: Vec<Links> = vec![Links { previous: None, jump: None }];
        for sequence in 2..=length {
            let previous = sequence - 1;
            let jump = |sequence: u64| chain[usize::try_from(sequence - 1).unwrap()].jump.unwrap_or(sequence);
            let (near, far) = (jump(previous), jump(jump(previous)));
            let jump = if previous - near == near - far { far } else { previous };
            chain.push(Links { previous: Some(previous), jump: Some(jump) });
        }
        chain
    }

    #[test]
    fn any_movement_of_a_long_chain_is_found_in_a_few_steps() {
        let chain = chain(100_000);
        for until in [0, 1, 2, 3, 4_095, 50_000, 65_536, 99_998, 99_999, 100_000, 200_000] {
            let steps = Cell::new(0);
            let links = |sequence: u64| {
                steps.set(steps.get() + 1);
                Ok(chain[usize::try_from(sequence - 1).unwrap()])
            };
            let found = back(Some(100_000), until, links).unwrap();
            assert_eq!(found, Some(until.min(100_000)).filter(|&found| found > 0));
            assert!(steps.get() <= 3 * 17, "{} steps to {until}", steps.get());
        }
    }
}
