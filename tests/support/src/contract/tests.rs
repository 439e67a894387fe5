//! The validation, tried on a small document: what is in it passes, and each thing that is not goes red.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{Answer, Document};

fn document() -> Document {
    let text = json!({"schema": {"type": "string"}});
    let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let level = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Level"}}});
    let document = json!({
        "openapi": "3.1.0",
        "paths": {
            "/items/{id}": {
                "get": {"responses": {
                    "200": {"headers": {"ETag": {"schema": {"type": "string"}, "required": true}, "X-Cache": text}, "content": level},
                    "304": {"headers": {"ETag": text}},
                    "404": {"$ref": "#/components/responses/Missing"},
                }},
                "delete": {"responses": {"202": {"headers": {}, "content": level}}},
            },
            "/items/special": {"get": {"responses": {"200": {"content": {"text/plain": {"schema": {"type": "string"}}}}}}},
        },
        "components": {
            "responses": {"Missing": {"content": problem}},
            "schemas": {
                "Level": {"type": "object", "required": ["quantity"], "properties": {"quantity": {"type": "integer", "minimum": 0}}},
                "Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
            },
        },
    });
    Document::new(&document).expect("a document")
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        })
        .collect();
    Answer { status, headers, body: body.as_bytes().to_vec() }
}

fn json_answer(status: u16, body: &Value) -> Answer {
    answer(status, &[("content-type", "application/json"), ("etag", "\"1\"")], &body.to_string())
}

fn problem(status: u16, code: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("content-type", "application/problem+json"), ("x-request-id", "1")];
    all.extend(headers);
    answer(status, &all, &json!({"code": code}).to_string())
}

fn check(method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
    document().check(method, path, answer)
}

fn fault(path: &str, answer: &Answer) -> String {
    check(&Method::GET, path, answer).expect_err("it must go red")
}

#[test]
fn what_the_document_names_passes() {
    let level = json_answer(200, &json!({"quantity": 1}));
    assert_eq!(check(&Method::GET, "/items/1?wait=1", &level), Ok(()));
    let mut with_transport = level;
    for name in ["date", "vary", "content-length", "x-cache"] {
        with_transport.headers.insert(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("1"));
    }
    assert_eq!(check(&Method::GET, "/items/1", &with_transport), Ok(()));
    assert_eq!(check(&Method::GET, "/items/1", &answer(304, &[("etag", "\"1\"")], "")), Ok(()));
    let missing = answer(404, &[("content-type", "application/problem+json")], r#"{"code": "NOT_FOUND"}"#);
    assert_eq!(check(&Method::GET, "/items/1", &missing), Ok(()));
}

#[test]
fn an_undocumented_status_goes_red() {
    assert!(fault("/items/1", &json_answer(201, &json!({"quantity": 1}))).contains("status 201 is not documented"));
}

#[test]
fn an_undocumented_header_goes_red_and_so_does_a_required_one_that_is_missing() {
    let mut extra = json_answer(200, &json!({"quantity": 1}));
    extra.headers.insert("x-new", HeaderValue::from_static("1"));
    assert!(fault("/items/1", &extra).contains("header x-new"));
    let mut missing = json_answer(200, &json!({"quantity": 1}));
    missing.headers.remove("etag");
    assert!(fault("/items/1", &missing).contains("etag is required"));
}

#[test]
fn an_undocumented_property_a_missing_one_and_a_wrong_type_go_red() {
    for wrong in [
        json!({"quantity": 1, "more": 1}),
        json!({}),
        json!({"quantity": "1"}),
        json!({"quantity": 1.5}),
        json!({"quantity": -1}),
        json!([]),
    ] {
        assert!(fault("/items/1", &json_answer(200, &wrong)).contains("breaks its schema"), "{wrong}");
    }
}

#[test]
fn an_undocumented_media_type_or_body_goes_red() {
    let html = answer(200, &[("content-type", "text/html"), ("etag", "\"1\"")], "<p>");
    assert!(fault("/items/1", &html).contains("content type text/html"));
    assert!(fault("/items/1", &answer(200, &[("etag", "\"1\"")], "{}")).contains("no content type"));
    assert!(fault("/items/1", &answer(304, &[("etag", "\"1\"")], "text")).contains("has a body"));
    let broken = answer(200, &[("content-type", "application/json"), ("etag", "\"1\"")], "{");
    assert!(fault("/items/1", &broken).contains("no JSON"));
}

#[test]
fn a_static_segment_beats_a_parameter() {
    let text = answer(200, &[("content-type", "text/plain; charset=utf-8")], "special");
    assert_eq!(check(&Method::GET, "/items/special", &text), Ok(()));
    assert!(check(&Method::GET, "/items/other", &text).is_err());
}

#[test]
fn head_is_get_without_a_body() {
    let mut level = json_answer(200, &json!({"quantity": 1}));
    assert!(check(&Method::HEAD, "/items/1", &level).is_err());
    level.body.clear();
    assert_eq!(check(&Method::HEAD, "/items/1", &level), Ok(()));
    level.status = 201;
    assert!(check(&Method::HEAD, "/items/1", &level).is_err());
}

#[test]
fn a_path_that_no_template_matches_may_only_be_a_404_problem() {
    let not_found = problem(404, "NOT_FOUND", &[]);
    for path in ["/nothing", "/items", "/items/", "/items/1/", "/items/1/x", "items/1"] {
        assert_eq!(check(&Method::GET, path, &not_found), Ok(()), "{path}");
    }
    assert!(fault("/nothing", &json_answer(200, &json!({}))).contains("instead of 404"));
    assert!(fault("/nothing", &problem(404, "OTHER", &[])).contains("OTHER"));
    assert!(fault("/nothing", &problem(404, "NOT_FOUND", &[("x-new", "1")])).contains("x-new"));
    assert!(fault("/nothing", &answer(404, &[], "")).contains("no content type"));
}

#[test]
fn a_method_that_no_operation_has_may_only_be_a_405_problem_with_allow() {
    let refused = problem(405, "METHOD_NOT_ALLOWED", &[("allow", "GET,HEAD,DELETE")]);
    assert_eq!(check(&Method::PATCH, "/items/1", &refused), Ok(()));
    let silent = problem(405, "METHOD_NOT_ALLOWED", &[]);
    assert!(check(&Method::PATCH, "/items/1", &silent).expect_err("no Allow").contains("Allow"));
    assert!(check(&Method::PATCH, "/items/1", &problem(404, "NOT_FOUND", &[])).is_err());
    assert!(check(&Method::GET, "/items/1", &refused).is_err());
}

#[test]
fn every_operation_can_be_listed() {
    let document = document();
    let operations: Vec<_> = document.operations().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(operations, ["GET /items/special", "DELETE /items/{id}", "GET /items/{id}"]);
}

/// A server of one answer, on a thread of its own, that also serves the document.
fn serve_one_answer(answer: &'static str) -> String {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let document = json!({"paths": {"/thing": {"get": {"responses": {"200": {"headers": {}}}}}}}).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("one socket")).lines();
            let head: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let document_asked = head.first().is_some_and(|line| line.contains("/api-docs/openapi.json"));
            let json =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{document}", document.len());
            let _ = stream.write_all(if document_asked { json.as_bytes() } else { answer.as_bytes() });
        }
    });
    base
}

#[tokio::test]
async fn a_client_passes_on_what_is_documented() {
    let base = serve_one_answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let client = super::Client::connect(base).await;
    assert_eq!(client.get("/thing?a=b").await.expect(200).text(), "");
}

#[tokio::test]
#[should_panic(expected = "GET /thing broke its contract: the header x-new is not documented for status 200")]
async fn a_client_panics_at_what_is_not_documented() {
    let base = serve_one_answer("HTTP/1.1 200 OK\r\nx-new: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    super::Client::connect(base).await.get("/thing").await;
}
