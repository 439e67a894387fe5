//! Lists of reservations. They are of the present: what a buyer holds changes by the second.

use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::read_model::StoredReservation;
use shared::reservation::ReservationStatus;

use super::{Found, MOST_LOOKED_AT, ReadError, ReadModel};
use crate::query::reservations::lists::{self, ReservationFilter};
use crate::query::walk::{Bounds, Page, Walk};
use crate::redis_model::{Miss, Stretch};

impl ReadModel {
    /// Those that match at `now`, the newest first, from `greatest` down.
    pub(crate) async fn reservations(
        &self,
        filter: &ReservationFilter,
        greatest: u64,
        now: Timestamp,
        limit: usize,
    ) -> Result<Found<Page<StoredReservation>>, ReadError> {
        let miss = match self.reservations_in_redis(filter, greatest, now, limit).await {
            Ok(page) => return Ok(self.in_redis(page)),
            Err(miss) => miss,
        };
        if self.database.is_none() {
            return Err(miss.into());
        }
        let (filter, bounds) = (filter.clone(), Bounds { limit, most: MOST_LOOKED_AT });
        let read = self.fresh(move |connection| lists::page(connection, &filter, greatest, now, bounds));
        Ok(Found::in_database(read.await.map_err(ReadError::Unavailable)?.value))
    }

    /// The same from Redis.
    async fn reservations_in_redis(
        &self,
        filter: &ReservationFilter,
        greatest: u64,
        now: Timestamp,
        limit: usize,
    ) -> Result<Page<StoredReservation>, Miss> {
        let redis = self.redis.as_ref().ok_or(Miss::Unreachable)?;
        // What is known of, must be in it.
        let least = self.following.sequence().max(self.following.told());
        let mut walk = Walk::new(Bounds { limit, most: MOST_LOOKED_AT });
        let mut below = greatest;
        loop {
            let found = redis.reservations(filter, below, limit + 1).await?;
            if !self.is_of_ours(&found.state).await {
                return Err(Miss::NotWhole);
            }
            if found.state.sequence < least {
                return Err(Miss::Behind);
            }
            // From there on all are there, and before only the pending ones.
            let from =
                if filter.status == Some(ReservationStatus::Pending) { 0 } else { found.state.reservations_from };
            if below < from {
                return Err(Miss::NotKept);
            }
            let Stretch { candidates, is_last } = found.value;
            for (number, candidate) in candidates {
                if number < from {
                    return self.until(from, walk.end());
                }
                let row = candidate.filter(|candidate| filter.matches(candidate, now));
                if let Some(row) = &row {
                    self.following.floors.raise(&AggregateId::Reservation(row.id), row.as_of);
                }
                below = number.saturating_sub(1);
                if walk.see(number, row).is_break() {
                    return Ok(walk.end());
                }
            }
            if is_last && from > 0 {
                return self.until(from, walk.end());
            }
            if is_last {
                return Ok(walk.end());
            }
        }
    }

    /// A page that cannot go on below a number: the next one can be read from the database only.
    fn until(&self, from: u64, page: Page<StoredReservation>) -> Result<Page<StoredReservation>, Miss> {
        if self.database.is_some() {
            return Err(Miss::NotKept);
        }
        Ok(Page { next: Some(from - 1), ..page })
    }
}
