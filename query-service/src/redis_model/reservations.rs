//! Lists of reservations from Redis, a stretch at a time, the newest first.

use std::sync::LazyLock;

use redis::Script;
use shared::read_model::{ITEMS, RESERVATIONS, ReservationIndex, StoredReservation};
use shared::reservation::ReservationStatus;

use super::link::Answer;
use super::{Found, Miss, RedisModel, Text, is_of, readable, whole};
use crate::query::reservations::lists::ReservationFilter;

/// How many candidates one call looks at, or fewer where their documents are big.
const STRETCH: usize = 200;

static RESERVATIONS_OF: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("reservations.lua")));

/// Numbers have as many digits.
const GREATEST: u64 = 9_999_999_999_999_999;

/// Some candidates: the number of each, and what it is unless its status is not wanted.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) candidates: Vec<(u64, Option<StoredReservation>)>,
    /// There are none after these.
    pub(crate) is_last: bool,
}

/// State, generation of the documents, whether there are more, what the members end with, the documents.
type Reply = (Text, Vec<u8>, bool, Vec<String>, Vec<Text>);

impl ReservationFilter {
    /// The list with the fewest candidates that all are on, and the value that it is of.
    fn list(&self) -> (ReservationIndex, String) {
        match (&self.order_id, &self.customer_id, self.item_id) {
            (Some(order), _, _) => (ReservationIndex::Order, order.as_str().to_owned()),
            (None, Some(customer), _) => (ReservationIndex::Customer, customer.as_str().to_owned()),
            (None, None, Some(item)) => (ReservationIndex::Item, item.to_string()),
            (None, None, None) => (ReservationIndex::All, String::new()),
        }
    }
}

/// The statuses that one has in the model which is shown with this one: past its deadline, a pending one is shown as expired.
fn wanted(status: Option<ReservationStatus>) -> &'static [ReservationStatus] {
    use ReservationStatus::{Confirmed, Expired, Pending, Released};
    match status {
        None => &[],
        Some(Pending) => &[Pending],
        Some(Confirmed) => &[Confirmed],
        Some(Released) => &[Released],
        Some(Expired) => &[Expired, Pending],
    }
}

impl RedisModel {
    /// Some of those that may match, from `greatest` down; about as many as are `hoped` to be enough.
    pub(crate) async fn reservations(
        &self,
        filter: &ReservationFilter,
        greatest: u64,
        hoped: usize,
    ) -> Result<Found<Stretch>, Miss> {
        let (index, value) = filter.list();
        let count = if filter.status.is_some() { STRETCH } else { hoped.min(STRETCH) };
        let mut invocation = RESERVATIONS_OF.prepare_invoke();
        invocation.key(ITEMS).key(RESERVATIONS).key(index.key());
        invocation.arg(value).arg(format!("{:016}", greatest.min(GREATEST))).arg(count);
        for status in wanted(filter.status) {
            invocation.arg(status.as_str());
        }
        let answer: Answer<Reply> = self.run(&invocation).await?;
        let (state, generation, is_more, ends, documents) = &answer.value;
        let found = whole(state.as_deref(), &answer)?;
        is_of(&found.state, Some(generation))?;
        let candidates = ends.iter().zip(documents).map(|(end, document)| {
            let number = end.split('\n').next().and_then(|number| number.parse().ok()).ok_or(Miss::NotWhole)?;
            Ok((number, document.as_deref().map(readable).transpose()?))
        });
        let candidates = candidates.collect::<Result<_, Miss>>()?;
        Ok(found.with(Stretch { candidates, is_last: !is_more }))
    }
}

#[cfg(test)]
mod tests {
    use shared::text::{CustomerId, OrderId};

    use super::*;

    #[test]
    fn a_list_is_walked_that_is_of_the_rarest_value() {
        let order = Some(OrderId::parse("o").expect("an order"));
        let customer = Some(CustomerId::parse("c").expect("a customer"));
        let item = Some(shared::id::ItemId::from_uuid(uuid::Uuid::nil()));
        let mut filter = ReservationFilter { order_id: order, customer_id: customer, item_id: item, status: None };
        assert_eq!(filter.list(), (ReservationIndex::Order, "o".to_owned()));
        filter.order_id = None;
        assert_eq!(filter.list(), (ReservationIndex::Customer, "c".to_owned()));
        filter.customer_id = None;
        assert_eq!(filter.list(), (ReservationIndex::Item, uuid::Uuid::nil().to_string()));
        assert_eq!(ReservationFilter::default().list(), (ReservationIndex::All, String::new()));
    }
}
