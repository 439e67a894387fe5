//! Places in lists, opaque to clients and bound to what was asked for: a cursor of another question is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::http::body::Fault;

/// Bytes of the hash of the question; a mistake is to be found, and nobody gains by forging one.
const BOUND_BY: usize = 8;

/// The cursor of `place` in the list `name` with these filters.
pub(crate) fn write(name: &str, filters: &impl Serialize, place: &str) -> String {
    let mut bytes = question(name, filters).to_vec();
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place, if the cursor is of this list with these filters.
pub(crate) fn read(name: &str, filters: &impl Serialize, cursor: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| no_cursor())?;
    let (question, place) = bytes.split_at_checked(BOUND_BY).ok_or_else(no_cursor)?;
    let place = String::from_utf8(place.to_vec()).map_err(|_| no_cursor())?;
    if question == self::question(name, filters) {
        Ok(place)
    } else {
        Err(Fault("INVALID_FORMAT", "is of a list with other filters; begin again without it".to_owned()))
    }
}

/// What is no cursor as an answer carried it.
pub(crate) fn no_cursor() -> Fault {
    Fault("INVALID_FORMAT", "is not a nextCursor as an answer carried it".to_owned())
}

fn question(name: &str, filters: &impl Serialize) -> [u8; BOUND_BY] {
    let filters = serde_json::to_vec(&(name, filters)).expect("text and numbers always serialise");
    let mut start = [0; BOUND_BY];
    start.copy_from_slice(&Sha256::digest(&filters)[..BOUND_BY]);
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let cursor = write("movements", &("a", 1), "42");
        assert_eq!(read("movements", &("a", 1), &cursor).unwrap(), "42");
        assert!(read("movements", &("a", 2), &cursor).is_err());
        assert!(read("reservations", &("a", 1), &cursor).is_err());
        for wrong in ["", "x", "é", &cursor[..8], "////////////////"] {
            assert!(read("movements", &("a", 1), wrong).is_err(), "{wrong}");
        }
    }
}
