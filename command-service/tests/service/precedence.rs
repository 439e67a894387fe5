//! A request that is wrong in two ways is always told the same one: the first in the contract's order.

use serde_json::json;
use testkit::contract::Answer;

use crate::harness::{
    BATCHES, ITEM, ITEMS, RESERVATION, RESERVATIONS, Running, STORES, TRANSFERS, Whole, by_id, reservation, unreachable,
};

/// The contract's order; each request of this file meets the last one too, for the broker is down.
const ORDER: [&str; 7] = [
    "BODY_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "INVALID_ID",
    "INVALID_HEADER",
    "MALFORMED_JSON",
    "VALIDATION_FAILED",
    "BROKER_UNAVAILABLE",
];

/// A request that can be wrong in each of these ways; `path` has `{id}` where an id can be wrong.
struct Wrong {
    method: &'static str,
    path: String,
    id: &'static str,
    /// Without its closing brace.
    right: &'static str,
    invalid: &'static str,
    limit: usize,
}

fn requests() -> Vec<Wrong> {
    let wrong = |method, path: String, id, right, invalid| Wrong { method, path, id, right, invalid, limit: 64 * 1024 };
    vec![
        wrong("POST", format!("{ITEMS}/{{id}}/reserve"), ITEM, r#"{"quantity":1"#, r#"{"quantity":0"#),
        wrong("PUT", format!("{ITEMS}/{ITEM}/stores/{{id}}"), "berlin", r#"{"lowStockThreshold":1"#, "{\"x\":1"),
        wrong("POST", format!("{RESERVATIONS}/{{id}}/confirm"), RESERVATION, r#"{"orderId":"A""#, "{\"lines\":[]"),
        wrong("PUT", format!("{STORES}/{{id}}"), "berlin", r#"{"name":"A""#, "{\"name\":\"\""),
        Wrong {
            limit: 1024 * 1024,
            ..wrong(
                "POST",
                BATCHES.to_owned(),
                "",
                r#"{"commands":[{"type":"delete","sku":"A"}]"#,
                r#"{"commands":[{"type":"delete"}]"#,
            )
        },
    ]
}

impl Wrong {
    /// Those of the order that it can be wrong in.
    fn order(&self) -> Vec<&'static str> {
        ORDER.into_iter().filter(|code| *code != "INVALID_ID" || self.path.contains("{id}")).collect()
    }

    async fn send(&self, service: &Running, faults: &[&str]) -> Answer {
        let has = |fault: &str| faults.contains(&fault);
        let path = self.path.replace("{id}", if has("INVALID_ID") { "-no-id" } else { self.id });
        let mut body = if has("VALIDATION_FAILED") { self.invalid } else { self.right }.to_owned();
        body.push_str(if has("MALFORMED_JSON") { ",}" } else { "}" });
        if has("BODY_TOO_LARGE") {
            body.push_str(&" ".repeat(self.limit));
        }
        let media_type = if has("UNSUPPORTED_MEDIA_TYPE") { "text/plain" } else { "application/json" };
        let mut call = service.client.request(self.method, path).header("content-type", media_type);
        if has("INVALID_HEADER") {
            call = call.header("if-match", "*");
        }
        call.body(body).send().await
    }
}

#[tokio::test]
async fn of_two_faults_the_first_in_the_contracts_order_is_told() {
    let service = Running::start(&unreachable(), |_| {}).await;
    for request in requests() {
        let order = request.order();
        for (n, first) in order.iter().enumerate() {
            assert_eq!(&request.send(&service, &[first]).await.code(), first, "{}", request.path);
            for second in &order[n + 1..] {
                let told = request.send(&service, &[second, first]).await.code();
                assert_eq!(&told, first, "{} and {second}", request.path);
            }
        }
        assert_eq!(request.send(&service, &order).await.code(), "BODY_TOO_LARGE");
    }
}

#[tokio::test]
async fn a_route_or_method_that_does_not_exist_comes_before_everything_else() {
    let service = Running::start(&unreachable(), |_| {}).await;
    let huge = "x".repeat(70_000);
    for path in ["/nothing", "/api/v1/inventory/items/", "/api/v1/inventory/items/a/b/c", "/api/v2/inventory/items"] {
        let answer = service.client.request("POST", path).header("if-match", "*").body(huge.clone()).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{path}");
    }
    let allowed = [
        (ITEMS.to_owned(), "POST"),
        (by_id(""), "DELETE,PUT"),
        (format!("{ITEMS}/no-id"), "DELETE,PUT"),
        (by_id("/reserve"), "POST"),
        (by_id("/count"), "POST"),
        (by_id("/stores/berlin"), "PUT"),
        (TRANSFERS.to_owned(), "POST"),
        (BATCHES.to_owned(), "POST"),
        (RESERVATIONS.to_owned(), "POST"),
        (reservation(""), "DELETE"),
        (reservation("/confirm"), "POST"),
        (reservation("/extend"), "POST"),
        (STORES.to_owned(), "POST"),
        (format!("{STORES}/berlin"), "PUT"),
        ("/health/ready".to_owned(), "GET,HEAD"),
    ];
    for (path, allow) in allowed {
        let answer =
            service.client.request("PATCH", path.as_str()).header("if-match", "*").body(huge.clone()).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{path}");
        let mut methods: Vec<_> = answer.header("allow").expect("Allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allow, "{path}");
    }
}

#[tokio::test]
async fn a_body_may_have_64_kib_and_not_one_byte_more_whether_its_length_is_announced_or_not() {
    let whole = Whole::start().await;
    let of_size = |bytes: usize| {
        let text = json!({"quantity": 1}).to_string();
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    let path = by_id("/reserve");
    let announced = async |bytes| {
        let call = whole.client().request("POST", path.as_str()).header("content-type", "application/json");
        call.body(of_size(bytes)).send().await
    };
    let in_chunks = async |bytes| {
        let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let text = of_size(bytes);
        // The first ends inside of a name.
        let (first, second) = text.split_at(5);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let rest = format!("{head}{}{}0\r\n\r\n", chunk(first), chunk(second));
        whole.service.raw("POST", &path, rest).await
    };
    announced(65_536).await.expect(202);
    in_chunks(65_536).await.expect(202);
    assert_eq!(announced(65_537).await.expect(413).code(), "BODY_TOO_LARGE");
    assert_eq!(in_chunks(65_537).await.expect(413).code(), "BODY_TOO_LARGE");
    // Far more than what fits into the sockets: the client still reads the answer.
    for _ in 0..20 {
        assert_eq!(announced(8 * 1024 * 1024).await.expect(413).code(), "BODY_TOO_LARGE");
    }
    let deletion = whole.client().request("DELETE", by_id("")).body(of_size(65_537)).send().await;
    assert_eq!(deletion.expect(413).code(), "BODY_TOO_LARGE");
    assert_eq!(whole.log().await.len(), 2);
}

#[tokio::test]
async fn only_json_is_taken_and_the_refusal_names_the_header_to_send() {
    let whole = Whole::start().await;
    let path = by_id("/reserve");
    let with = |media_type: Option<&str>| {
        let call = whole.client().request("POST", path.as_str()).body(r#"{"quantity":1}"#);
        if let Some(media_type) = media_type { call.header("content-type", media_type) } else { call }
    };
    for right in ["application/json", "Application/JSON; charset=utf-8"] {
        with(Some(right)).send().await.expect(202);
    }
    for wrong in [None, Some("text/plain"), Some("application/jsonp"), Some("application/x-www-form-urlencoded")] {
        let answer = with(wrong).send().await;
        assert_eq!(answer.expect(415).code(), "UNSUPPORTED_MEDIA_TYPE", "{wrong:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|d| d.contains("Content-Type: application/json")));
    }
    assert_eq!(whole.log().await.len(), 2);
}
