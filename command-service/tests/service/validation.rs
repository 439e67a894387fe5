//! Bodies: what is wrong is told field by field, all at once, and nothing is emitted.

use serde_json::{Value, json};
use testkit::contract::Answer;

use crate::harness::{ITEMS, Whole, by_id, by_sku};

/// The fields at fault and their codes, in order of name.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().expect("errors");
    let mut faults: Vec<_> = errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect();
    faults.sort();
    faults
}

/// Method, path, body, and the fields at fault with their codes.
type Case<'a> = (&'a str, String, Value, &'a [(&'a str, &'a str)]);

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(field, code)| (field.to_owned(), code.to_owned())).collect()
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_at_once() {
    let whole = Whole::start().await;
    let reserve = [("quantity", "OUT_OF_RANGE"), ("storeId", "UNKNOWN_STORE"), ("x", "UNKNOWN_FIELD")];
    let table: [Case<'_>; 8] = [
        (
            "POST",
            ITEMS.to_owned(),
            json!({"sku": "a b", "name": " ", "description": "x".repeat(2001), "quantity": -1, "price": 1}),
            &[
                ("description", "TOO_LONG"),
                ("name", "TOO_SHORT"),
                ("price", "UNKNOWN_FIELD"),
                ("quantity", "OUT_OF_RANGE"),
                ("sku", "INVALID_FORMAT"),
            ],
        ),
        ("POST", ITEMS.to_owned(), json!({}), &[("name", "REQUIRED"), ("sku", "REQUIRED")]),
        (
            "PUT",
            by_id(""),
            json!({"name": "a\tb", "description": 5, "sku": "A", "quantity": 1}),
            &[
                ("description", "WRONG_TYPE"),
                ("name", "CONTROL_CHARACTER"),
                ("quantity", "UNKNOWN_FIELD"),
                ("sku", "UNKNOWN_FIELD"),
            ],
        ),
        (
            "POST",
            by_sku("/adjust"),
            json!({"quantity": 0, "reason": "x".repeat(201), "reference": "", "storeId": "berlin"}),
            &[
                ("quantity", "OUT_OF_RANGE"),
                ("reason", "TOO_LONG"),
                ("reference", "TOO_SHORT"),
                ("storeId", "UNKNOWN_STORE"),
            ],
        ),
        ("POST", by_id("/adjust"), json!({"quantity": 1.5}), &[("quantity", "WRONG_TYPE")]),
        ("POST", by_id("/reserve"), json!({"quantity": 0, "storeId": "berlin", "x": 1}), &reserve),
        ("POST", by_sku("/release"), json!({"quantity": -1, "storeId": "berlin", "x": 1}), &reserve),
        (
            "POST",
            by_id("/release"),
            json!({"quantity": null, "storeId": " -"}),
            &[("quantity", "REQUIRED"), ("storeId", "INVALID_FORMAT")],
        ),
    ];
    for (method, path, body, expected) in table {
        let answer = whole.client().request(method, path.as_str()).json(&body).send().await;
        assert_eq!(answer.expect(422).code(), "VALIDATION_FAILED");
        assert_eq!(faults(&answer), pairs(expected), "{method} {path}");
    }
    assert_eq!(whole.log().await, []);
}

#[tokio::test]
async fn json_is_read_strictly() {
    let whole = Whole::start().await;
    let deep = format!(r#"{{"quantity":1,"x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    let table = [
        ("", 400, "MALFORMED_JSON"),
        ("{", 400, "MALFORMED_JSON"),
        (r#"{"quantity":1}{}"#, 400, "MALFORMED_JSON"),
        (r#"{"quantity":1,"quantity":1}"#, 400, "MALFORMED_JSON"),
        (&deep, 400, "MALFORMED_JSON"),
        ("[]", 422, "VALIDATION_FAILED"),
        ("null", 422, "VALIDATION_FAILED"),
        (r#"{"quantity":1.0}"#, 422, "VALIDATION_FAILED"),
        (r#"{"quantity":1e2}"#, 422, "VALIDATION_FAILED"),
        (r#"{"quantity":"1"}"#, 422, "VALIDATION_FAILED"),
        (r#"{"quantity":1000000001}"#, 422, "VALIDATION_FAILED"),
        (r#"{"quantity":99999999999999999999}"#, 422, "VALIDATION_FAILED"),
    ];
    for (body, status, code) in table {
        let call = whole.client().request("POST", by_id("/reserve")).header("content-type", "application/json");
        assert_eq!(call.body(body).send().await.expect(status).code(), code, "{body}");
    }
    assert_eq!(whole.log().await, []);
}

#[tokio::test]
async fn a_deletion_takes_no_body_and_asks_for_no_media_type() {
    let whole = Whole::start().await;
    let answer = whole.client().request("DELETE", by_id("")).json(&json!({})).send().await;
    assert_eq!(answer.expect(422).code(), "VALIDATION_FAILED");
    assert_eq!(faults(&answer), pairs(&[("", "UNEXPECTED_BODY")]));
    whole.client().request("DELETE", by_id("")).body("").header("content-type", "text/plain").send().await.expect(202);
    assert_eq!(whole.log().await.len(), 1);
}

#[tokio::test]
async fn a_query_parameter_is_refused_together_with_the_faults_of_the_body() {
    let whole = Whole::start().await;
    let store = ("storeId", "UNKNOWN_PARAMETER");
    let answer = whole.client().post(&by_id("/reserve?storeId=berlin"), &json!({"quantity": 0})).await;
    answer.expect(422);
    assert_eq!(faults(&answer), pairs(&[("quantity", "OUT_OF_RANGE"), store]));
    let answer = whole.client().post(&by_id("/reserve?storeId=berlin"), &json!({"quantity": 1})).await;
    answer.expect(422);
    assert_eq!(faults(&answer), pairs(&[store]));
    assert_eq!(whole.log().await, []);
}
