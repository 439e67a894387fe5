//! The document: each operation with its parameters, statuses and headers, and examples that run as they stand.

use serde_json::{Map, Value, json};

use crate::harness::{ITEMS, Whole};

const WRITES: [(&str, &str); 11] = [
    ("post", ""),
    ("post", "/{itemId}/adjust"),
    ("post", "/{itemId}/reserve"),
    ("post", "/{itemId}/release"),
    ("put", "/{itemId}"),
    ("delete", "/{itemId}"),
    ("post", "/sku/{sku}/adjust"),
    ("post", "/sku/{sku}/reserve"),
    ("post", "/sku/{sku}/release"),
    ("put", "/sku/{sku}"),
    ("delete", "/sku/{sku}"),
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
    for (method, rest) in WRITES {
        let operation = &document["paths"][format!("{ITEMS}{rest}")][method];
        ids.push(operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {rest}")));
        let mut headers =
            vec!["Idempotency-Key", "X-Idempotency-Key", "X-Request-ID", "X-Correlation-ID", "traceparent"];
        if !rest.is_empty() {
            headers.insert(0, "If-Match");
        }
        let documented = parameters(operation, "header");
        assert_eq!(documented.iter().map(|p| &p["name"]).collect::<Vec<_>>(), headers, "{method} {rest}");
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
        assert_eq!(statuses, expected, "{method} {rest}");
        let accepted = &operation["responses"]["202"]["headers"];
        for name in ["Location", "X-Consistency-Token", "Cache-Control", "X-Request-ID"] {
            assert!(accepted.get(name).is_some(), "{method} {rest}: {name}");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    let inventory = document["paths"].as_object().expect("paths").iter().filter(|(path, _)| path.starts_with(ITEMS));
    assert_eq!(inventory.map(|(_, item)| item.as_object().expect("an item").len()).sum::<usize>(), WRITES.len());
}

#[tokio::test]
async fn the_examples_run_in_order_as_they_stand() {
    let whole = Whole::start().await;
    let document = document(&whole).await;
    for (method, rest) in WRITES {
        let template = format!("{ITEMS}{rest}");
        let operation = &document["paths"][&template][method];
        let mut path = template.clone();
        for parameter in if rest.is_empty() { Vec::new() } else { parameters(operation, "path") } {
            let name = parameter["name"].as_str().expect("a name");
            path = path.replace(&format!("{{{name}}}"), parameter["example"].as_str().expect("an example"));
        }
        let call = whole.client().request(method.to_uppercase(), path);
        let answer = match operation.pointer("/requestBody/content/application~1json/schema/$ref") {
            Some(reference) => call.json(&example(&document, reference.as_str().expect("text"))).send().await,
            None => call.send().await,
        };
        assert_eq!(answer.expect(202).json()["itemId"], crate::harness::ITEM);
    }
    assert_eq!(whole.log().await.len(), WRITES.len());
}

/// As Swagger puts it together from the properties.
fn example(document: &Value, reference: &str) -> Value {
    let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
    assert_eq!(schema["additionalProperties"], json!(false));
    let properties = schema["properties"].as_object().expect("properties");
    let examples = properties.iter().map(|(name, property)| {
        let example = property.get("example").or_else(|| property["examples"].get(0)).expect("an example");
        (name.clone(), example.clone())
    });
    examples.collect::<Map<_, _>>().into()
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
