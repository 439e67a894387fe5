//! What answers have in common: where they come from, their tag, and 304 if the client has it (RFC 9110, 13.1.2).

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use metrics::Counter;

use crate::cache::entry::Written;
use crate::model::{Found, Origin};

/// Of nearly every answer, with the request's id.
const HEADERS: usize = 6;
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_STALE: HeaderName = HeaderName::from_static("x-stale");

/// By origin. Looking a counter up by its labels takes longer than finding a document.
static ANSWERS: LazyLock<[Counter; 3]> = LazyLock::new(|| {
    [Origin::Redis, Origin::Memory, Origin::Database]
        .map(|origin| metrics::counter!("inventory_cache_requests_total", "source" => origin.as_str()))
});

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::Database => "database",
        }
    }
}

/// 200 with a body that has no tag.
pub(super) fn plain(found: Found<Bytes>) -> Response {
    let (origin, is_stale) = (found.origin, found.is_stale);
    with_source(json(found.value), origin, is_stale)
}

/// 200, or 304 if `If-None-Match` names the tag.
pub(super) fn tagged(request: &HeaderMap, found: &Found<Written>) -> Response {
    if !if_none_match(request, found.value.etag.as_bytes()) {
        return whole(found);
    }
    with_tag(StatusCode::NOT_MODIFIED.into_response(), found)
}

/// 200 with a tag that does not stand for all that is shown, so that there is no 304 for it.
pub(super) fn whole(found: &Found<Written>) -> Response {
    with_tag(json(found.value.body.clone()), found)
}

fn with_tag(response: Response, found: &Found<Written>) -> Response {
    let mut response = with_source(response, found.origin, found.is_stale);
    response.headers_mut().insert(header::ETAG, found.value.etag.clone());
    response
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn with_source(mut response: Response, origin: Origin, is_stale: bool) -> Response {
    ANSWERS[origin as usize].increment(1);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CACHE, HeaderValue::from_static(origin.as_str()));
    if is_stale {
        headers.insert(X_STALE, HeaderValue::from_static("true"));
    }
    response
}

/// Weak comparison: `W/` is ignored. What is no tag matches nothing.
fn if_none_match(request: &HeaderMap, etag: &[u8]) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let list = value.as_bytes().trim_ascii();
        list == b"*" || tags(list).any(|tag| tag == etag)
    })
}

/// The tags of a list, with their quotes; a comma inside quotes separates nothing.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&b| b == b'"')?;
        let length = rest[start + 1..].iter().position(|&b| b == b'"')? + 2;
        let (tag, after) = rest[start..].split_at(length);
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(value: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]);
        if_none_match(&headers, b"\"i1-2\"")
    }

    #[test]
    fn any_tag_of_the_list_weak_or_not_and_the_star_match() {
        for yes in ["\"i1-2\"", "W/\"i1-2\"", "\"x,y\", \"i1-2\"", " * ", "\"a\",W/\"i1-2\" , \"b\""] {
            assert!(matches(yes), "{yes}");
        }
    }

    #[test]
    fn other_tags_and_what_is_no_tag_do_not_match() {
        for no in ["", "i1-2", "\"i1-3\"", "\"a,\"i1-2", "\"", "\"i1-2", "**"] {
            assert!(!matches(no), "{no}");
        }
    }
}
