//! The document: each operation with its parameters, statuses and headers, and examples that run as they stand.

use serde_json::{Map, Value, json};

use crate::harness::{ITEM, RESERVATION, Whole};

const BASE: &str = "/api/v1";

/// Every write, in the order in which its example does something, with whether it takes `If-Match`.
const WRITES: [(&str, &str, bool); 23] = [
    ("post", "/inventory/items", false),
    ("post", "/stores", false),
    ("post", "/inventory/items/{itemId}/adjust", true),
    ("post", "/inventory/items/{itemId}/reserve", true),
    ("post", "/inventory/items/{itemId}/release", true),
    ("post", "/inventory/items/{itemId}/count", true),
    ("put", "/inventory/items/{itemId}/stores/{storeId}", true),
    ("post", "/inventory/transfers", true),
    ("post", "/reservations", false),
    ("post", "/reservations/{reservationId}/extend", true),
    ("post", "/reservations/{reservationId}/confirm", true),
    ("delete", "/reservations/{reservationId}", true),
    ("put", "/inventory/items/{itemId}", true),
    ("put", "/stores/{storeId}", true),
    ("delete", "/inventory/items/{itemId}", true),
    ("post", "/inventory/items/sku/{sku}/adjust", true),
    ("post", "/inventory/items/sku/{sku}/reserve", true),
    ("post", "/inventory/items/sku/{sku}/release", true),
    ("post", "/inventory/items/sku/{sku}/count", true),
    ("put", "/inventory/items/sku/{sku}/stores/{storeId}", true),
    ("put", "/inventory/items/sku/{sku}", true),
    ("delete", "/inventory/items/sku/{sku}", true),
    ("post", "/inventory/batches", false),
];

async fn document(whole: &Whole) -> Value {
    whole.client().request("GET", "/api-docs/openapi.json").send_unchecked().await.json()
}

fn parameters<'a>(operation: &'a Value, place: &str) -> Vec<&'a Value> {
    let all = operation["parameters"].as_array().expect("parameters");
    all.iter().filter(|parameter| parameter["in"] == place).collect()
}

#[tokio::test]
async fn each_write_documents_its_headers_and_every_status() {
    let whole = Whole::start().await;
    let document = document(&whole).await;
    let mut ids = Vec::new();
    for (method, path, conditional) in WRITES {
        let write = format!("{method} {path}");
        let operation = &document["paths"][format!("{BASE}{path}")][method];
        ids.push(operation["operationId"].as_str().unwrap_or_else(|| panic!("{write}")));
        let mut headers =
            vec!["Idempotency-Key", "X-Idempotency-Key", "X-Request-ID", "X-Correlation-ID", "traceparent"];
        if conditional {
            headers.insert(0, "If-Match");
        }
        let documented = parameters(operation, "header");
        assert_eq!(documented.iter().map(|p| &p["name"]).collect::<Vec<_>>(), headers, "{write}");
        for header in documented {
            assert_eq!(header["required"], false);
            // Swagger would send it again with the next request, and a key that was used is refused.
            assert!(header.get("example").is_none() && header["schema"].get("default").is_none());
        }
        let statuses: Vec<_> = operation["responses"].as_object().expect("responses").keys().collect();
        let expected: &[&str] = if method == "delete" {
            &["202", "400", "413", "422", "500", "503", "504"]
        } else {
            &["202", "400", "413", "415", "422", "500", "503", "504"]
        };
        assert_eq!(statuses, expected, "{write}");
        let accepted = &operation["responses"]["202"]["headers"];
        // A batch has a place for each of its rows.
        let location = (path != "/inventory/batches").then_some("Location");
        for name in ["X-Consistency-Token", "Cache-Control", "X-Request-ID"].into_iter().chain(location) {
            assert!(accepted.get(name).is_some(), "{write}: {name}");
        }
        let body = operation.get("requestBody");
        assert_eq!(body.is_some(), method != "delete", "{write}");
        let optional = path.ends_with("/confirm");
        assert!(body.is_none_or(|body| (body["required"] == true) != optional), "{write}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    let ours = document["paths"].as_object().expect("paths").iter();
    let ours = ours.filter(|(path, _)| path.starts_with(BASE) && !path.ends_with("/health"));
    assert_eq!(ours.map(|(_, item)| item.as_object().expect("an item").len()).sum::<usize>(), WRITES.len());
}

#[tokio::test]
async fn the_examples_run_in_order_as_they_stand() {
    let whole = Whole::start().await;
    let document = document(&whole).await;
    let mut rows = 0;
    for (method, path, _) in WRITES {
        let template = format!("{BASE}{path}");
        let operation = &document["paths"][&template][method];
        let mut path = template.clone();
        for parameter in parameters(operation, "path") {
            let name = parameter["name"].as_str().expect("a name");
            path = path.replace(&format!("{{{name}}}"), parameter["example"].as_str().expect("an example"));
        }
        let call = whole.client().request(method.to_uppercase(), path);
        let answer = match operation.pointer("/requestBody/content/application~1json/schema/$ref") {
            Some(reference) => call.json(&body(&document, reference.as_str().expect("text"))).send().await,
            None => call.send().await,
        };
        let accepted = answer.expect(202).json();
        if template.ends_with("/batches") {
            assert_eq!(accepted["refused"], 0);
            rows = accepted["accepted"].as_u64().expect("a number");
            continue;
        }
        let of = ["itemId", "reservationId", "storeId"].into_iter().find_map(|field| accepted[field].as_str());
        let expected = if template.contains("/reservations") {
            RESERVATION
        } else if template.contains("/stores") && !template.contains("/items") {
            "berlin"
        } else {
            ITEM
        };
        assert_eq!(of, Some(expected), "{method} {template}");
    }
    assert_eq!(whole.log().await.len() as u64, WRITES.len() as u64 - 1 + rows);
}

/// A request's body, which has no other fields than those of its schema.
fn body(document: &Value, reference: &str) -> Value {
    assert_eq!(schema(document, reference)["additionalProperties"], json!(false), "{reference}");
    example(document, &json!({"$ref": reference}))
}

fn schema<'a>(document: &'a Value, reference: &str) -> &'a Value {
    document.pointer(reference.trim_start_matches('#')).expect("a schema")
}

/// As Swagger puts it together: the schema's own example, else one from its properties.
fn example(document: &Value, part: &Value) -> Value {
    let part = part["$ref"].as_str().map_or(part, |reference| schema(document, reference));
    let mut alternatives = part["oneOf"].as_array().into_iter().flatten();
    let referred = alternatives.find(|alternative| alternative.get("$ref").is_some());
    if let Some(example) = part.get("example").or_else(|| part["examples"].get(0)) {
        example.clone()
    } else if let Some(referred) = referred {
        example(document, referred)
    } else if let Some(items) = part.get("items") {
        json!([example(document, items)])
    } else {
        let properties = part["properties"].as_object().unwrap_or_else(|| panic!("no example: {part}"));
        let examples = properties.iter().map(|(name, property)| (name.clone(), example(document, property)));
        examples.collect::<Map<_, _>>().into()
    }
}

#[tokio::test]
async fn swagger_is_served() {
    let whole = Whole::start().await;
    let page = whole.client().request("GET", "/swagger/index.html").send_unchecked().await;
    assert!(page.expect(200).header("content-type").is_some_and(|media_type| media_type.starts_with("text/html")));
    for path in ["/", "/swagger"] {
        let redirect = whole.client().request("GET", path).send_unchecked().await;
        assert!((300..400).contains(&redirect.status), "{path}");
    }
}
