//! `inventory import`: ten thousand rows, twice, across kills on both sides, and what the options change.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use testkit::checker::{self, History};
use testkit::contract::Client;
use testkit::kafka::free_port;
use testkit::poll::eventually;

use crate::journal::{count, last_sequence};
use crate::program::{Program, folder, inventory, run_to_end, run_within};
use crate::proxy;
use testkit::process::{SOON, report};

const ROWS: usize = 10_000;

/// Runs it against the program, and gives its exit code and what it printed.
fn import(program: &Program, folder: &Path, file: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run_within(4 * SOON, prepared(program, folder, file).args(arguments));
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An import into the program that was not started.
fn prepared(program: &Program, folder: &Path, file: &str) -> Command {
    prepared_for([&program.command, &program.query], folder, file)
}

/// The same, where command-service and query-service are at these URLs.
fn prepared_for([command, query]: [&str; 2], folder: &Path, file: &str) -> Command {
    inventory(folder, &["import", file, "--url", command, "--query-url", query])
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

/// Ten thousand items, of which six in seven have stock.
fn write_rows(folder: &Path) {
    let mut file = "sku,name,category,price,currency,lowStockThreshold,quantity\r\n".to_owned();
    for row in 0..ROWS {
        write!(file, "IMP-{row:05},\"Thing, number {row}\",Things,{row},EUR,5,{}\r\n", row % 7).expect("written");
    }
    write(folder, "items.csv", &file);
}

/// Creates a store and waits until it is there.
async fn create_store(program: &Program, store: &str) {
    let command = Client::connect(program.command.clone()).await;
    let body = json!({"storeId": store, "name": store});
    let accepted = command.post("/api/v1/stores", &body).await.expect(202).json();
    let url = accepted["statusUrl"].as_str().expect("text");
    let path = &url[url.find("/api/v1").expect("a path of ours")..];
    let query = Client::connect(program.query.clone()).await;
    let outcome = query.get(&format!("{path}&waitMs=10000")).await.expect(200).json();
    assert_eq!(outcome["status"], "applied", "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_are_imported_once_however_often_the_file_is() {
    let (folder, database) = folder();
    let program = Program::start(folder.path()).await;
    write_rows(folder.path());
    let store = ["--store", "main"];

    let (code, said) = import(&program, folder.path(), "items.csv", &["--store", "main", "--dry-run"]);
    assert_eq!((code, said), (Some(0), format!("{ROWS} rows: {ROWS} right, 0 failed; nothing was sent\n")));
    let query = Client::connect(program.query.clone()).await;
    let total = async || query.get("/api/v1/inventory/items?pageSize=1").await.expect(200).json()["total"].clone();
    assert_eq!(total().await, 0);

    let began = std::time::Instant::now();
    let (code, said) = import(&program, folder.path(), "items.csv", &store);
    report(&format!("import of {ROWS} rows: {} ms", began.elapsed().as_millis()));
    let created = format!("{ROWS} rows: {ROWS} created, 0 updated, 0 unchanged, 0 failed\n");
    assert_eq!((code, said), (Some(0), created));
    assert_eq!(total().await, ROWS);
    let item = async || query.get("/api/v1/inventory/items/sku/IMP-09999").await.expect(200).json();
    let before = item().await;
    assert_eq!((&before["name"], &before["quantity"]), (&json!("Thing, number 9999"), &json!(9999 % 7)));
    assert_eq!(before["price"], json!({"amountMinor": 9999, "currency": "EUR"}));

    let last = last_sequence(&database);
    let (code, said) = import(&program, folder.path(), "items.csv", &store);
    let unchanged = format!("{ROWS} rows: 0 created, 0 updated, {ROWS} unchanged, 0 failed\n");
    assert_eq!((code, said), (Some(0), unchanged));
    assert_eq!(item().await, before);
    assert_eq!(last_sequence(&database), last, "the journal has nothing of the second run");
    assert!(program.interrupt());
    assert_all_there_once(&database, "main");
}

/// Each item is there, with its stock at the store; the journal is sound, and has each command of the file once.
fn assert_all_there_once(database: &Path, store: &str) {
    let report = checker::check(database, &History::default());
    report.assert_clean();
    let found = |table: &str| usize::try_from(count(database, table)).expect("some");
    let with_stock = (0..ROWS).filter(|row| row % 7 > 0).count();
    assert_eq!(found("items WHERE deleted = 0 AND version = 1"), ROWS);
    let levels = format!("stock_levels l JOIN items USING (item_id) WHERE store_id = '{store}'");
    assert_eq!(found(&format!("{levels} AND quantity = price_minor % 7 AND l.version = 1")), with_stock);
    assert_eq!(found("stock_levels"), with_stock);
    // Elsewhere than at main, stock is a command of its own, and the store too.
    let commands = if store == "main" { ROWS } else { ROWS + with_stock + 1 };
    assert_eq!((report.counts.applied, report.counts.rejected), (commands, 0), "{report}");
}

/// Waits until some rows have arrived.
async fn midway(database: &Path) {
    eventually(2 * SOON, async || match count(database, "items") {
        2000.. => Ok(()),
        items => Err(items),
    })
    .await;
}

/// How many rows a report says were created, and how many were there: `n rows: n created, 0 updated, n unchanged, 0 failed`.
fn created_and_unchanged(said: &str) -> (usize, usize) {
    let numbers: Vec<usize> = said.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [ROWS, created, 0, unchanged, 0] = numbers[..] else { panic!("{said}") };
    (created, unchanged)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_midway_is_completed_by_the_next_run() {
    let (folder, database) = folder();
    let program = Program::start(folder.path()).await;
    create_store(&program, "berlin").await;
    write_rows(folder.path());
    let mut killed = prepared(&program, folder.path(), "items.csv")
        .args(["--store", "berlin"])
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    midway(&database).await;
    killed.kill().expect("ours");
    assert_eq!(killed.wait().expect("ours").code(), None, "ended by a signal");
    let before = usize::try_from(count(&database, "items")).expect("some");
    assert!(before < ROWS, "the kill was to come midway");

    let (code, said) = import(&program, folder.path(), "items.csv", &["--store", "berlin"]);
    let (created, unchanged) = created_and_unchanged(&said);
    assert_eq!((code, created + unchanged), (Some(0), ROWS), "{said}");
    // Of a row of the last batch the item may have been there and its stock not.
    assert!(created >= ROWS - before && unchanged > 0, "{before} were there, and {said}");
    assert!(program.interrupt());
    assert_all_there_once(&database, "berlin");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_when_the_program_is_killed_midway_and_comes_back() {
    let (folder, database) = folder();
    let ports = ["COMMAND_PORT", "QUERY_PORT", "LISTENER_PORT"].map(|port| (port, free_port().to_string()));
    let program = Program::started(Program::launch(folder.path(), &ports)).await;
    create_store(&program, "berlin").await;
    write_rows(folder.path());
    let mut command = prepared(&program, folder.path(), "items.csv");
    command.args(["--store", "berlin"]);
    let importing = tokio::task::spawn_blocking(move || run_within(4 * SOON, &mut command));
    midway(&database).await;
    program.process.kill();
    assert!(usize::try_from(count(&database, "items")).expect("some") < ROWS, "the kill was to come midway");
    let program = Program::started(Program::launch(folder.path(), &ports)).await;
    let output = importing.await.expect("it was run");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{errors}");
    assert_eq!(created_and_unchanged(&said), (ROWS, 0), "all were created by this one run");
    assert!(program.interrupt());
    assert_all_there_once(&database, "berlin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_is_named_by_its_line_and_an_item_that_is_there_is_changed_only_if_asked_to() {
    let (folder, _) = folder();
    let program = Program::start(folder.path()).await;
    create_store(&program, "berlin").await;
    write(folder.path(), "first.csv", "sku,name,quantity\nA,a,3\n");
    let (code, said) = import(&program, folder.path(), "first.csv", &["--store", "main"]);
    assert_eq!((code, said.as_str()), (Some(0), "1 row: 1 created, 0 updated, 0 unchanged, 0 failed\n"));

    write(folder.path(), "second.csv", "sku,name,quantity\nA,other,8\nB,b,5\n-,c,1\nC,,1\n");
    let berlin = ["--store", "berlin"];
    let (code, said) = import(&program, folder.path(), "second.csv", &berlin);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((code, lines.len()), (Some(1), 4), "{said}");
    assert_eq!(lines[0], "4 rows: 1 created, 0 updated, 0 unchanged, 3 failed");
    for (line, beginning) in lines[1..].iter().zip([
        "line 2 (A): DUPLICATE_SKU: sku A",
        "line 4: VALIDATION_FAILED: ",
        "line 5 (C): VALIDATION_FAILED: ",
    ]) {
        assert!(line.starts_with(beginning), "{said}");
    }

    let (_, said) = import(&program, folder.path(), "second.csv", &["--store", "berlin", "--update"]);
    assert!(said.starts_with("4 rows: 0 created, 1 updated, 1 unchanged, 2 failed\n"), "{said}");
    let query = Client::connect(program.query.clone()).await;
    let stock = async |sku: &str, store: &str| {
        let path = format!("/api/v1/inventory/items/sku/{sku}/stock?storeId={store}");
        query.get(&path).await.expect(200).json()["quantity"].clone()
    };
    let name = query.get("/api/v1/inventory/items/sku/A").await.expect(200).json()["name"].clone();
    assert_eq!(name, "other");
    assert_eq!((stock("A", "main").await, stock("A", "berlin").await), (json!(3), json!(8)));
    assert_eq!((stock("B", "main").await, stock("B", "berlin").await), (json!(0), json!(5)));

    assert!(program.interrupt());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_imported_into_a_store_that_is_not_there() {
    let (folder, database) = folder();
    let program = Program::start(folder.path()).await;
    let last = last_sequence(&database);
    for (file, rows) in [("with.csv", "sku,name,quantity\nA,a,5\n"), ("without.csv", "sku,name\nB,b\n")] {
        write(folder.path(), file, rows);
        let output = run_within(SOON, prepared(&program, folder.path(), file).args(["--store", "berlni"]));
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}{error}");
        assert_eq!(said, "1 row: 0 created, 0 updated, 0 unchanged, 0 failed, 1 not finished\n");
        assert!(error.contains("there is no store berlni"), "{error}");
    }
    assert_eq!(last_sequence(&database), last, "not even the items");

    create_store(&program, "berlin").await;
    let (code, said) = import(&program, folder.path(), "with.csv", &["--store", "berlin"]);
    assert_eq!((code, said.as_str()), (Some(0), "1 row: 1 created, 0 updated, 0 unchanged, 0 failed\n"));
    assert!(program.interrupt());
}

/// An outcome as of a writer whose clock stands there.
fn applied_at(outcome: &str, time: &str) -> String {
    let mut outcome: Value = serde_json::from_str(outcome).expect("JSON");
    if let Some(at) = outcome.get_mut("appliedAt") {
        *at = json!(time);
    }
    outcome.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_told_from_what_is_new_whatever_the_clock_of_the_writer_says() {
    let (folder, _) = folder();
    let program = Program::start(folder.path()).await;
    let slow = proxy::before(&program.query, |_| None, |outcome| applied_at(outcome, "2020-01-01T00:00:00.000Z")).await;
    let fast = proxy::before(&program.query, |_| None, |outcome| applied_at(outcome, "2120-01-01T00:00:00.000Z")).await;
    write(folder.path(), "items.csv", "sku,name\nA,a\n");
    for (query, counts) in [(&slow, "1 created, 0 updated, 0 unchanged"), (&fast, "0 created, 0 updated, 1 unchanged")]
    {
        let mut command = prepared_for([&program.command, query], folder.path(), "items.csv");
        let output = run_within(SOON, command.args(["--store", "main"]));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(counts), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(program.interrupt());
}

/// As a proxy answers whose service is away: the first requests to each path so, and none after them.
fn away(statuses: &'static [u16]) -> impl Fn(&Request) -> Option<Response> + Clone {
    let asked: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    move |request| {
        let mut asked = asked.lock().expect("no holder panics");
        let times = asked.entry(request.uri().path().to_owned()).or_default();
        let status = *statuses.get(*times)?;
        *times += 1;
        let page = Html(format!("<html><h1>{status}</h1></html>"));
        Some((StatusCode::from_u16(status).expect("a status"), [(RETRY_AFTER, "1")], page).into_response())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_until_what_is_away_behind_a_proxy_comes_back() {
    let (folder, _) = folder();
    let program = Program::start(folder.path()).await;
    let command = proxy::before(&program.command, away(&[502, 429, 503, 504]), str::to_owned).await;
    let query = proxy::before(&program.query, away(&[429, 502]), str::to_owned).await;
    write(folder.path(), "items.csv", "sku,name\nA,a\nB,b\n");
    let mut import = prepared_for([&command, &query], folder.path(), "items.csv");
    let began = std::time::Instant::now();
    let output = run_within(2 * SOON, import.args(["--store", "main"]));
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "2 rows: 2 created, 0 updated, 0 unchanged, 0 failed\n", "{error}");
    // Of the batch four times, of the store, the journal's place and the outcomes two times each.
    assert!(began.elapsed() >= Duration::from_secs(10), "each time a second at least, as it was asked to");
    assert!(program.interrupt());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_stops_when_no_outcome_can_be_read_and_says_who_could_tell() {
    let (folder, database) = folder();
    let program = Program::start(folder.path()).await;
    // As a query-service with Redis alone answers when outcomes are older than what Redis has.
    let without_file = |request: &Request| {
        let problem = json!({"code": "SOURCE_UNAVAILABLE", "detail": "only the database can tell"});
        let is_outcome = request.uri().path().starts_with("/api/v1/commands/");
        is_outcome.then(|| (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response())
    };
    let query = proxy::before(&program.query, without_file, str::to_owned).await;
    let rows: Vec<_> = (0..100).map(|row| format!("A-{row},a")).collect();
    write(folder.path(), "items.csv", &format!("sku,name\n{}\n", rows.join("\n")));
    let mut stopped = prepared_for([&program.command, &query], folder.path(), "items.csv");
    // The tries of one row last 16 seconds, and rows are asked for 32 at a time.
    let output = run_within(SOON, stopped.args(["--store", "main"]));
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{error}");
    assert_eq!(said, "100 rows: 0 created, 0 updated, 0 unchanged, 0 failed, 100 not finished\n", "{error}");
    assert!(error.contains("(--query-url)") && error.contains("SOURCE_UNAVAILABLE"), "{error}");

    eventually(SOON, async || if count(&database, "items") == 100 { Ok(()) } else { Err("not all are there") }).await;
    let (code, said) = import(&program, folder.path(), "items.csv", &["--store", "main"]);
    assert_eq!((code, said.as_str()), (Some(0), "100 rows: 0 created, 0 updated, 100 unchanged, 0 failed\n"));
    assert!(program.interrupt());
}

#[test]
fn what_cannot_be_imported_exits_with_64_and_says_why() {
    let (folder, _) = folder();
    write(folder.path(), "colour.csv", "sku,name,colour\nA,a,red\n");
    std::fs::write(folder.path().join("latin.csv"), b"sku,name\nA,caf\xe9\n").expect("written");
    write(folder.path(), "open.csv", "sku,name,description\nA,a,\nB,b,\"never closed\nC,c,\n");
    write(folder.path(), "right.csv", "sku,name\nA,a\n");
    for (arguments, says) in [
        (&["import", "colour.csv", "--store", "main"][..], "\"colour\""),
        (&["import", "latin.csv", "--store", "main"], "line 2"),
        (&["import", "open.csv", "--store", "main", "--dry-run"], "line 3 has a quoted field that is never closed"),
        (&["import", "none.csv", "--store", "main"], "none.csv"),
        (&["import", "right.csv"], "--store"),
        (&["import", "right.csv", "--store", "a b"], "--store"),
        (&["import", "right.csv", "--store", "main", "--url", "nowhere"], "--url"),
        (&["import", "right.csv", "--store", "main", "--url", "http://127.0.0.1:8080"], "--query-url"),
    ] {
        let output = run_to_end(&mut inventory(folder.path(), arguments));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
