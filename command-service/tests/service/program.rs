//! The stand-alone binary: settings from the environment, addresses on standard output, a clean end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use kafka::{EmbeddedBroker, Topics};
use testkit::contract::Client;
use testkit::poll::eventually;

use crate::harness::{Running, SOON, by_id, unreachable};

fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_command-service"));
    command.env_clear().env("COMMAND_PORT", "0").envs(variables.iter().copied());
    command
}

#[test]
fn bad_settings_exit_with_64_and_name_the_variable() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").port().to_string();
    let broker = ("KAFKA_BROKERS", "127.0.0.1:1");
    let table: [(&[(&str, &str)], &str); 6] = [
        (&[], "KAFKA_BROKERS"),
        (&[broker, ("QUERY_BASE_URL", "nowhere")], "QUERY_BASE_URL"),
        (&[broker, ("ACK_WAIT_MS", "0")], "ACK_WAIT_MS"),
        (&[broker, ("COMMAND_PORT", "x")], "COMMAND_PORT"),
        (&[broker, ("KAFKA_PROPERTIES", "no.such.property=1")], "KAFKA_PROPERTIES"),
        (&[broker, ("LOG_LEVEL", "=loud=")], "LOG_LEVEL"),
    ];
    let check = |variables: &[(&str, &str)], variable: &str| {
        let Output { status, stderr, .. } = program(variables).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(64), "{variable}: {stderr}");
        assert!(stderr.contains(variable), "{variable}: {stderr}");
    };
    for (variables, variable) in table {
        check(variables, variable);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    check(&[broker, ("COMMAND_PORT", &port)], "COMMAND_PORT");
    drop(taken);
}

#[tokio::test]
async fn the_program_serves_says_where_and_ends_at_a_signal() {
    let broker = EmbeddedBroker::start(&Topics::default()).expect("a broker");
    let mut child = program(&[("KAFKA_BROKERS", broker.connection().brokers())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let lines: Vec<String> = lines.take(2).map(|line| line.expect("text")).collect();
    let base = lines[0].strip_prefix("command ").expect("its address");
    assert_eq!(lines[1], format!("swagger {base}/swagger/index.html"));
    let client = Client::connect(base).await;
    eventually(SOON, async || client.get("/health/ready").await.status == 200).await;
    client.delete(&by_id("")).await.expect(202);
    let signalled = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(signalled.success());
    let ended = eventually(SOON, async || child.try_wait().expect("a child")).await;
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn what_is_logged_of_a_failed_request_names_it_its_route_and_its_command() {
    let mut child = program(&[("KAFKA_BROKERS", "127.0.0.1:1"), ("LOG_LEVEL", "warn")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let printed = BufReader::new(child.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
    let client = Client::connect(printed.strip_prefix("command ").expect("its address")).await;
    let call = client.request("DELETE", by_id("")).header("x-request-id", "r-1").header("x-correlation-id", "c-1");
    call.send().await.expect(503);
    child.kill().expect("it runs");
    let Output { stderr, .. } = child.wait_with_output().expect("it ended");
    let lines = String::from_utf8(stderr).expect("text");
    let line = lines.lines().find(|line| line.contains("answered a problem")).unwrap_or_else(|| panic!("{lines}"));
    let logged: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&logged["request_id"], &logged["correlation_id"]), (&"r-1".into(), &"c-1".into()), "{line}");
    assert_eq!(logged["route"], "/api/v1/inventory/items/{itemId}", "{line}");
    assert_eq!(logged["command_id"].as_str().map(str::len), Some(36), "{line}");
}

#[tokio::test]
async fn a_stop_gives_the_port_back() {
    let service = Running::start(&unreachable(), |_| {}).await;
    let address = service.address;
    service.stop().await.expect("it ends well");
    std::net::TcpListener::bind(address).expect("the port is free");
}
