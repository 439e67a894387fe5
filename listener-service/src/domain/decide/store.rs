//! Stores: created, changed, deactivated.

use shared::message::{Command, Fact, StoreDetails, StoreFields};
use shared::outcome::RejectionCode;
use shared::text::StoreId;

use super::{Rejection, Request, existing_store, match_version};
use crate::domain::{Change, Situation};

pub(super) fn decide(situation: &Situation<'_>, request: &Request<'_>, id: &StoreId) -> Result<Vec<Change>, Rejection> {
    if let Command::UpdateStore(fields) = request.command {
        let store = existing_store(situation, id)?;
        match_version(request.expected_version, store.version)?;
        return Ok(vec![Change { fact: Fact::StoreUpdated(details(id, fields)), version: store.version + 1 }]);
    }
    let Command::CreateStore { fields, .. } = request.command else {
        unreachable!("decoding gives a command the kind of aggregate that it is for")
    };
    if let Some(store) = situation.store(id) {
        let detail = format!("there is a store {id} already");
        return Err(Rejection { code: RejectionCode::StoreExists, detail, version: store.version });
    }
    Ok(vec![Change { fact: Fact::StoreCreated(details(id, fields)), version: 1 }])
}

fn details(id: &StoreId, fields: &StoreFields) -> StoreDetails {
    let StoreFields { name, location, active } = fields.clone();
    StoreDetails { store_id: id.clone(), name, location, active }
}
