//! `If-Match` names the version of the one document that the command changes.

use serde_json::{Value, json};

use crate::harness::{ITEMS, Whole, by_id, by_sku};

/// Every route that takes `If-Match`, whether the catalogue is what it changes, and a body.
fn routes() -> Vec<(&'static str, String, bool, Option<Value>)> {
    let mut routes = Vec::new();
    for item in [by_id(""), by_sku("")] {
        routes.extend([
            ("PUT", item.clone(), true, Some(json!({"name": "Cable"}))),
            ("DELETE", item.clone(), true, None),
            ("POST", format!("{item}/adjust"), false, Some(json!({"quantity": 1}))),
            ("POST", format!("{item}/reserve"), false, Some(json!({"quantity": 1}))),
            ("POST", format!("{item}/release"), false, Some(json!({"quantity": 1}))),
        ]);
    }
    routes
}

#[tokio::test]
async fn the_tag_of_what_is_changed_becomes_the_expected_version_and_any_other_is_refused() {
    let whole = Whole::start().await;
    for (method, path, catalogue, body) in routes() {
        let call = |tag: &str| {
            let call = whole.client().request(method, path.as_str()).header("if-match", tag);
            if let Some(body) = &body { call.json(body) } else { call }
        };
        let (right, other) = if catalogue { ("\"i3-17\"", "\"s3\"") } else { ("\"s3\"", "\"i3-17\"") };
        call(right).send().await.expect(202);
        assert_eq!(whole.last_request().await.expected_version, Some(3), "{method} {path}");
        let list = format!("{right}, {right}");
        let weak = format!("W/{right}");
        for wrong in [other, "*", &list, &weak, "3", "\"3\"", ""] {
            let answer = call(wrong).send().await;
            assert_eq!(answer.expect(400).code(), "INVALID_HEADER", "{method} {path} {wrong}");
        }
        assert_eq!(call(right).header("if-match", right).send().await.expect(400).code(), "INVALID_HEADER");
    }
    assert_eq!(whole.log().await.len(), routes().len());
}

#[tokio::test]
async fn a_creation_takes_no_tag() {
    let whole = Whole::start().await;
    for tag in ["\"i1-1\"", "\"s1\"", "*"] {
        let call = whole.client().request("POST", ITEMS).json(&json!({"sku": "A", "name": "b"}));
        assert_eq!(call.header("if-match", tag).send().await.expect(400).code(), "INVALID_HEADER");
    }
    assert_eq!(whole.log().await, []);
}
