//! Any text as a query with a cursor and consistency tokens: never a panic, and what is accepted is as it was written.
//!
//! An input is a line of three fields between tabs, the list, its filter and a place in it, and then a query. As in
//! targets/headers.rs, the cursors of query-service are taken in by the file's path.
#![no_main]

#[path = "../../../query-service/src/cursor.rs"]
mod cursor;

use libfuzzer_sys::fuzz_target;
use shared::http::params::{Params, whole};
use shared::token::ConsistencyToken;

fuzz_target!(|input: &str| {
    let (first, query) = input.split_once('\n').unwrap_or((input, ""));
    let mut fields = first.splitn(3, '\t');
    let mut field = || fields.next().unwrap_or_default();
    let (list, filter, place) = (field(), field(), field());
    let written = cursor::write(list, &filter, place);
    assert_eq!(cursor::read(list, &filter, &written).ok().as_deref(), Some(place));
    assert!(cursor::read(list, &(filter, 0), &written).is_err());
    let mut parameters = Params::parse(Some(query));
    parameters.optional("cursor", |text| {
        let read = cursor::read(list, &filter, text);
        if let Ok(place) = &read {
            assert_eq!(cursor::write(list, &filter, place), text);
        }
        read
    });
    parameters.optional("token", |text| {
        let tokens = ConsistencyToken::parse_list(text).unwrap_or_default();
        for token in &tokens {
            assert_eq!(ConsistencyToken::parse(&token.to_string()).as_ref(), Ok(token));
        }
        assert!(tokens.len() <= 16);
        Ok(tokens)
    });
    parameters.optional("limit", whole(1, 200)).inspect(|limit| assert!((1..=200).contains(limit)));
    let _ = parameters.finish();
});
