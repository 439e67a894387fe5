//! The headers that a write acts on: `Idempotency-Key` (with its alias) and `If-Match`.
//!
//! Each has one value at most. What is wrong with one is never ignored: a client that sends it relies on it.

use axum::http::{HeaderMap, HeaderName, header};
use shared::etag::{ETag, ETagKind};
use shared::http::body::Fault;
use shared::problem::{Problem, ProblemCode};
use utoipa::IntoParams;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
const MAX_KEY: usize = 255;

/// What the headers of a write say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteHeaders {
    /// Without its quotes.
    pub idempotency_key: Option<String>,
    /// From `If-Match`.
    pub expected_version: Option<u64>,
}

/// The headers of every write, for the document. None has an example: Swagger would send it, and a key may not be
/// used for two different requests.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only; `WriteHeaders::parse` reads the headers themselves")]
pub(crate) struct AnyWrite {
    /// Sending the same key with the same request again gives the same command, however often. 1 to 255 visible
    /// characters, bare or in double quotes.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 600)]
    idempotency_key: Option<String>,
    /// The same as `Idempotency-Key`; if both are sent they must be equal.
    #[param(rename = "X-Idempotency-Key", min_length = 1, max_length = 600)]
    x_idempotency_key: Option<String>,
    /// Names this request in answers and logs: 1 to 128 visible characters, else replaced.
    #[param(rename = "X-Request-ID")]
    request_id: Option<String>,
    /// Follows the work across services and messages: 1 to 128 visible characters; defaults to the request id.
    #[param(rename = "X-Correlation-ID")]
    correlation_id: Option<String>,
    /// W3C trace context; the message on the log carries the trace on.
    traceparent: Option<String>,
}

/// The condition of a write on the catalogue, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only")]
pub(crate) struct IfMatchItem {
    /// The `ETag` of the item as it was read, such as `"i3-7"`: if the item has changed since, the command is rejected
    /// with `VERSION_CONFLICT`. One strong tag; `*`, lists and `W/` are refused.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// The condition of a write on stock, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only")]
pub(crate) struct IfMatchStock {
    /// The `ETag` of the stock level as it was read, such as `"s4"`: if the level has changed since, the command is
    /// rejected with `VERSION_CONFLICT`. One strong tag; `*`, lists and `W/` are refused.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// The condition of a transfer, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only")]
pub(crate) struct IfMatchSource {
    /// The `ETag` of the stock level that units leave, as it was read, such as `"s4"`: if that level has changed since,
    /// the command is rejected with `VERSION_CONFLICT`. One strong tag; `*`, lists and `W/` are refused.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// The condition of a write on a reservation, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only")]
pub(crate) struct IfMatchReservation {
    /// The `ETag` of the reservation as it was read, such as `"r2"`: if the reservation has changed since, the command
    /// is rejected with `VERSION_CONFLICT`. One strong tag; `*`, lists and `W/` are refused.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// The condition of a write on a store, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read for the document only")]
pub(crate) struct IfMatchStore {
    /// The `ETag` of the store as it was read, such as `"t1"`: if the store has changed since, the command is rejected
    /// with `VERSION_CONFLICT`. One strong tag; `*`, lists and `W/` are refused.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

impl WriteHeaders {
    /// `changes` is the kind of document that the command changes; a creation changes none, and a batch no one in
    /// particular, so that they take no `If-Match`. `INVALID_HEADER` names the header and what is wrong.
    pub(crate) fn parse(headers: &HeaderMap, changes: Option<ETagKind>) -> Result<Self, Problem> {
        Ok(Self { idempotency_key: idempotency_key(headers)?, expected_version: expected_version(headers, changes)? })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let own = single(headers, &IDEMPOTENCY_KEY)?.map(|text| key(&IDEMPOTENCY_KEY, text)).transpose()?;
    let alias = single(headers, &X_IDEMPOTENCY_KEY)?.map(|text| key(&X_IDEMPOTENCY_KEY, text)).transpose()?;
    match (own, alias) {
        (Some(own), Some(alias)) if own != alias => {
            Err(invalid(&IDEMPOTENCY_KEY, "is not the same as X-Idempotency-Key; send one of them"))
        }
        (own, alias) => Ok(own.or(alias)),
    }
}

fn expected_version(headers: &HeaderMap, changes: Option<ETagKind>) -> Result<Option<u64>, Problem> {
    let Some(text) = single(headers, &header::IF_MATCH)? else { return Ok(None) };
    let Some(kind) = changes else {
        return Err(invalid(
            &header::IF_MATCH,
            "has no meaning on a creation or a batch: there is no one version to match",
        ));
    };
    let tag = ETag::parse(text).map_err(|error| invalid(&header::IF_MATCH, error))?;
    if tag.kind() == kind {
        return Ok(Some(tag.version()));
    }
    Err(invalid(
        &header::IF_MATCH,
        match kind {
            ETagKind::Item => "must be the tag of the item, such as \"i3-7\": this command changes the item",
            ETagKind::Stock => "must be the tag of the stock level, such as \"s4\": this command changes stock",
            ETagKind::Reservation => {
                "must be the tag of the reservation, such as \"r2\": this command changes the reservation"
            }
            ETagKind::Store => "must be the tag of the store, such as \"t1\": this command changes the store",
        },
    ))
}

/// Bare, or a string of RFC 8941: in double quotes, with `\"` and `\\` for these two characters.
fn key(name: &HeaderName, text: &str) -> Result<String, Problem> {
    let wrong =
        || invalid(name, format_args!("must be 1 to {MAX_KEY} visible ASCII characters, bare or in double quotes"));
    let key = if text.starts_with('"') { unquoted(text).ok_or_else(wrong)? } else { text.to_owned() };
    if is_key(&key) { Ok(key) } else { Err(wrong()) }
}

/// The key of a batch's row, bare.
pub(crate) fn row_key(text: &str) -> Result<String, Fault> {
    let wrong = || Fault("INVALID_FORMAT", format!("must be 1 to {MAX_KEY} visible ASCII characters"));
    if is_key(text) { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// The key of the row at `index` of a batch that was sent with `key`. No key of a header or of a row has a blank.
pub(crate) fn key_of_row(key: &str, index: usize) -> String {
    format!("{key} {index}")
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn unquoted(text: &str) -> Option<String> {
    let mut characters = text.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut key = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        key.push(match character {
            '"' => return None,
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            other => other,
        });
    }
    Some(key)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(name, "is given more than once"));
    }
    value.to_str().map(Some).map_err(|_| invalid(name, "must be visible ASCII characters"))
}

fn invalid(name: &HeaderName, detail: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemCode::InvalidHeader, format!("the header {name} {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn parse(lines: &[(&'static str, &str)], changes: Option<ETagKind>) -> Result<WriteHeaders, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            headers.append(HeaderName::from_static(name), value);
        }
        WriteHeaders::parse(&headers, changes).map_err(|problem| problem.detail)
    }

    fn key_of(lines: &[(&'static str, &str)]) -> Result<Option<String>, String> {
        parse(lines, None).map(|headers| headers.idempotency_key)
    }

    #[test]
    fn a_quoted_key_is_the_bare_one_whichever_header_carries_it() {
        let a = Ok(Some("a".to_owned()));
        assert_eq!(key_of(&[("idempotency-key", "a")]), a);
        assert_eq!(key_of(&[("idempotency-key", "\"a\"")]), a);
        assert_eq!(key_of(&[("x-idempotency-key", "a")]), a);
        assert_eq!(key_of(&[("idempotency-key", "a"), ("x-idempotency-key", "\"a\"")]), a);
        assert_eq!(key_of(&[("idempotency-key", r#""a\"\\b""#)]), Ok(Some(r#"a"\b"#.to_owned())));
        assert_eq!(key_of(&[("idempotency-key", &"x".repeat(255))]), Ok(Some("x".repeat(255))));
        assert_eq!(key_of(&[]), Ok(None));
    }

    #[test]
    fn a_key_that_breaks_the_rule_is_refused() {
        for wrong in
            ["", "\"", "\"\"", "\"a", "a b", "\"a b\"", "\"a\"b\"", r#""a\b""#, r#""a\""#, "ä", &"x".repeat(256)]
        {
            assert!(key_of(&[("idempotency-key", wrong)]).is_err(), "{wrong}");
            assert!(key_of(&[("x-idempotency-key", wrong)]).is_err(), "{wrong}");
        }
        assert!(key_of(&[("idempotency-key", "a"), ("x-idempotency-key", "b")]).is_err());
        assert!(key_of(&[("idempotency-key", "a"), ("idempotency-key", "a")]).is_err());
    }

    #[test]
    fn the_key_that_a_row_has_from_its_batch_is_one_that_nobody_can_send() {
        let derived = key_of_row("a", 3);
        assert!(row_key("a").is_ok() && row_key(&derived).is_err());
        assert!(key_of(&[("idempotency-key", &derived)]).is_err());
        assert_ne!(key_of_row("a", 31), key_of_row("a3", 1));
    }

    #[test]
    fn if_match_is_one_strong_tag_of_what_is_changed() {
        let version = |tag, changes| parse(&[("if-match", tag)], changes).map(|headers| headers.expected_version);
        assert_eq!(version("\"i3-7\"", Some(ETagKind::Item)), Ok(Some(3)));
        assert_eq!(version("\"s4\"", Some(ETagKind::Stock)), Ok(Some(4)));
        assert_eq!(version("\"r2\"", Some(ETagKind::Reservation)), Ok(Some(2)));
        assert_eq!(version("\"t1\"", Some(ETagKind::Store)), Ok(Some(1)));
        for (wrong, changes) in [
            ("\"s4\"", Some(ETagKind::Item)),
            ("\"i3-7\"", Some(ETagKind::Stock)),
            ("\"s4\"", Some(ETagKind::Reservation)),
            ("\"r2\"", Some(ETagKind::Store)),
            ("*", Some(ETagKind::Item)),
            ("W/\"s4\"", Some(ETagKind::Stock)),
            ("\"s4\", \"s5\"", Some(ETagKind::Stock)),
            ("\"i3-7\"", None),
        ] {
            assert!(version(wrong, changes).is_err(), "{wrong}");
        }
        assert!(parse(&[("if-match", "\"s4\""), ("if-match", "\"s4\"")], Some(ETagKind::Stock)).is_err());
    }
}
