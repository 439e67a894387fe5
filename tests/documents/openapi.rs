//! docs/openapi/: what the services say of themselves, checked in. `UPDATE_OPENAPI=1` writes the files anew.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::poll::eventually;

const SOON: Duration = Duration::from_secs(30);
/// It prints what is where, one address a line.
const PRINTS: usize = 7;
const SERVICES: [(&str, &str); 3] =
    [("command", "command-service"), ("query", "query-service"), ("listener", "listener-service")];

/// The all-in-one program; killed when the test ends, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and returns what it printed.
fn start(folder: &Path) -> (Running, Vec<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inventory"))
        .current_dir(folder)
        .env_clear()
        .envs([("COMMAND_PORT", "0"), ("QUERY_PORT", "0"), ("LISTENER_PORT", "0"), ("LOG_LEVEL", "error")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let stdout = child.stdout.take().expect("piped");
    let running = Running(child);
    // It ends the lines by ending, if it cannot start.
    let lines = BufReader::new(stdout).lines().map_while(Result::ok).take(PRINTS).collect();
    (running, lines)
}

async fn served(base: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{base}/api-docs/openapi.json");
    eventually(SOON, async || client.get(&url).send().await?.error_for_status()?.json::<Value>().await).await
}

fn file(service: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/openapi/{service}.json"))
}

#[tokio::test]
async fn the_checked_in_documents_are_what_the_services_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, printed) = start(folder.path());
    for (name, service) in SERVICES {
        let address = printed.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let served = served(address.unwrap_or_else(|| panic!("no {name} in {printed:?}"))).await;
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            let text = format!("{served:#}\n");
            std::fs::write(file(service), text).expect("written");
            continue;
        }
        let text = std::fs::read_to_string(file(service)).unwrap_or_default();
        let checked_in: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut differences = Vec::new();
        differ("", &checked_in, &served, &mut differences);
        assert!(
            differences.is_empty(),
            "docs/openapi/{service}.json differs from what the service serves; UPDATE_OPENAPI=1 writes it anew\n{}",
            differences.join("\n")
        );
    }
}

/// Whatever answers it: also a method that no path has, and a path that no document has.
#[tokio::test]
async fn each_operation_is_counted_under_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, printed) = start(folder.path());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut expected = Vec::new();
    let mut last = None;
    for (name, service) in SERVICES {
        let base = printed.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("it serves");
        let document = served(base).await;
        for (path, item) in document["paths"].as_object().expect("paths") {
            let operations = item.as_object().expect("operations").keys().map(String::as_str);
            for method in operations.chain(["patch"]).map(str::to_uppercase) {
                let segments = path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
                let url = format!("{base}{}", segments.collect::<Vec<_>>().join("/"));
                client.request(method.parse().expect("a method"), url).send().await.expect("an answer");
                expected.push(format!("service=\"{service}\",method=\"{method}\",route=\"{path}\""));
            }
        }
        client.get(format!("{base}/no-such-path")).send().await.expect("an answer");
        expected.push(format!("service=\"{service}\",method=\"GET\",route=\"unmatched\",status=\"404\""));
        last = Some(base);
    }
    // Those of the process, so of all three.
    let metrics = client.get(format!("{}/metrics", last.expect("a service"))).send().await.expect("metrics");
    let metrics = metrics.text().await.expect("text");
    let missing: Vec<_> = expected.iter().filter(|labels| !metrics.contains(*labels)).collect();
    assert!(expected.len() > 60 && missing.is_empty(), "of {}: {missing:#?}", expected.len());
}

/// The places that differ, as JSON pointers.
fn differ(place: &str, checked_in: &Value, served: &Value, differences: &mut Vec<String>) {
    match (checked_in, served) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                match b.get(name) {
                    Some(other) => differ(&format!("{place}/{name}"), value, other, differences),
                    None => differences.push(format!("{place}/{name}: is not served")),
                }
            }
            let more = b.keys().filter(|name| !a.contains_key(*name));
            differences.extend(more.map(|name| format!("{place}/{name}: is not in the file")));
        }
        (a, b) if a == b => {}
        (a, b) => differences.push(format!("{place}: {a} in the file, {b} served")),
    }
}

#[test]
fn each_kind_of_difference_is_found() {
    let found = |a: Value, b: Value| {
        let mut differences = Vec::new();
        differ("", &a, &b, &mut differences);
        differences
    };
    let document = serde_json::json!({"a": {"b": [1]}, "c": null});
    assert!(found(document.clone(), document.clone()).is_empty());
    assert_eq!(found(document.clone(), serde_json::json!({"a": {"b": [2]}, "c": null})).len(), 1);
    assert_eq!(found(document.clone(), serde_json::json!({"a": {}, "c": null})), ["/a/b: is not served"]);
    assert_eq!(found(serde_json::json!({"a": {"b": [1]}}), document.clone()), ["/c: is not in the file"]);
    assert_eq!(found(Value::Null, document).len(), 1, "a file that is missing");
}
