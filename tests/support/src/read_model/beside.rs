//! What the model has beside the items: reservations, stores, and the sums over all stock.

use std::collections::{BTreeMap, BTreeSet};

use redis::Connection as Redis;
use shared::read_model::{
    ENDED, RESERVATIONS, ReservationIndex, SENTINEL, STORES, SUMMARY, State, StoreAsOf, StoredReservation, StoredStore,
    StoredSummary,
};

use super::database::{Expected, marked};
use super::{Members, compare_maps, differ, members};

pub(super) struct Beside {
    summary: Option<String>,
    reservations: BTreeMap<String, String>,
    lists: Vec<Members>,
    ended: Members,
    stores: BTreeMap<String, String>,
}

impl Beside {
    /// Without the lists.
    pub(super) fn of(
        summary: Option<String>,
        reservations: BTreeMap<String, String>,
        stores: BTreeMap<String, String>,
    ) -> Self {
        Self { summary, reservations, lists: Vec::new(), ended: Members::new(), stores }
    }

    pub(super) fn read(redis: &mut Redis, summary: Option<String>) -> redis::RedisResult<Self> {
        let lists = ReservationIndex::ALL.iter().map(|index| members(redis, index.key()));
        Ok(Self {
            summary,
            lists: lists.collect::<redis::RedisResult<_>>()?,
            reservations: redis::cmd("HGETALL").arg(RESERVATIONS).query(redis)?,
            ended: members(redis, ENDED)?,
            stores: redis::cmd("HGETALL").arg(STORES).query(redis)?,
        })
    }

    pub(super) fn compare(&self, state: &State, expected: &Expected, found: &mut Vec<String>) {
        let wanted = self.compare_documents(state, expected, found);
        self.compare_lists(&wanted, found);
    }

    /// Returns the reservations that should be there.
    pub(super) fn compare_documents(
        &self,
        state: &State,
        expected: &Expected,
        found: &mut Vec<String>,
    ) -> BTreeMap<String, StoredReservation> {
        match self.summary.as_deref().map(serde_json::from_str::<StoredSummary>) {
            Some(Ok(summary)) => {
                // It is that of the last step that changed anything.
                let sequence = state.sequence;
                if summary.sequence > sequence {
                    found.push(format!("{SUMMARY}: of {}, ahead of {sequence}", summary.sequence));
                }
                differ(SUMMARY, &StoredSummary { sequence, ..summary }, &expected.summary, found);
            }
            other => found.push(format!("{SUMMARY}: {other:?}")),
        }
        self.compare_stores(state, expected, found);
        self.compare_reservations(state, expected, found)
    }

    fn compare_stores(&self, state: &State, expected: &Expected, found: &mut Vec<String>) {
        let mut stores: BTreeMap<String, StoredStore> = BTreeMap::new();
        for (id, text) in without_mark(STORES, &self.stores, state, found) {
            match serde_json::from_str::<StoreAsOf>(text) {
                Ok(StoreAsOf { store, as_of }) => {
                    if as_of > state.sequence {
                        found.push(format!("store {id}: as of {as_of}, ahead of {}", state.sequence));
                    }
                    stores.insert(id.clone(), store);
                }
                Err(error) => found.push(format!("store {id} cannot be read: {error}")),
            }
        }
        compare_maps(STORES, &stores, &expected.stores, found);
    }

    /// Those below the number from which on all are there may be missing if they have ended, and only then.
    fn compare_reservations(
        &self,
        state: &State,
        expected: &Expected,
        found: &mut Vec<String>,
    ) -> BTreeMap<String, StoredReservation> {
        let mut there: BTreeMap<String, StoredReservation> = BTreeMap::new();
        for (id, text) in without_mark(RESERVATIONS, &self.reservations, state, found) {
            match serde_json::from_str::<StoredReservation>(text) {
                Ok(reservation) => {
                    if reservation.as_of > state.sequence || reservation.as_of < reservation.number {
                        found.push(format!("reservation {id}: as of {}", reservation.as_of));
                    }
                    there.insert(id.clone(), StoredReservation { as_of: 0, ..reservation });
                }
                Err(error) => found.push(format!("reservation {id} cannot be read: {error}")),
            }
        }
        let must_be = |reservation: &StoredReservation| {
            reservation.number >= state.reservations_from || reservation.ended_at.is_none()
        };
        let mut wanted = expected.reservations.clone();
        wanted.retain(|id, reservation| must_be(reservation) || there.contains_key(id));
        compare_maps(RESERVATIONS, &there, &wanted, found);
        wanted
    }

    fn compare_lists(&self, wanted: &BTreeMap<String, StoredReservation>, found: &mut Vec<String>) {
        for (index, list) in ReservationIndex::ALL.into_iter().zip(&self.lists) {
            let members = wanted.values().flat_map(|reservation| {
                let values: BTreeSet<String> = match index {
                    ReservationIndex::All => BTreeSet::from([String::new()]),
                    ReservationIndex::Order => reservation.order_id.iter().cloned().collect(),
                    ReservationIndex::Customer => reservation.customer_id.iter().cloned().collect(),
                    ReservationIndex::Item => reservation.lines.iter().map(|line| line.item_id.to_string()).collect(),
                };
                let end = format!("{:016}\n{}", reservation.number, reservation.id);
                values.into_iter().map(move |value| format!("{value}\n{end}")).collect::<Vec<_>>()
            });
            compare_maps(index.key(), list, &marked(members), found);
        }
        let mut ended = marked([]);
        for reservation in wanted.values() {
            ended.extend(reservation.ended_at.map(|at| (reservation.id.to_string().into(), at.millis().to_string())));
        }
        compare_maps(ENDED, &self.ended, &ended, found);
    }
}

/// All fields but the one that says of which model the hash is.
fn without_mark<'a>(
    key: &str,
    hash: &'a BTreeMap<String, String>,
    state: &State,
    found: &mut Vec<String>,
) -> Vec<(&'a String, &'a String)> {
    differ(key, &hash.get(SENTINEL), &Some(&state.generation.to_string()), found);
    let mut fields: Vec<_> = hash.iter().collect();
    fields.retain(|(field, _)| *field != SENTINEL);
    fields
}
