//! Starting and stopping: one command runs it, a second start goes on or refuses, settings say what is wrong.

use std::io::Write;
use std::process::Stdio;
use std::slice::from_ref;
use std::sync::Arc;

use testkit::poll::eventually;

use crate::client::Shop;
use crate::deployment::Deployment;
use crate::program::{Program, folder, inventory, run_to_end};
use testkit::process::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_with_the_same_data_although_the_log_is_new() {
    second_start(Deployment::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_started_again_go_on_with_the_same_data() {
    let Some(deployment) = Deployment::real().await else { return };
    second_start(deployment).await;
}

async fn second_start(mut deployment: Deployment) {
    let shop = Shop::of(&deployment).await;
    let created = shop.create("KEPT", 3).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");
    deployment.interrupt();

    deployment.start_again().await;
    let shop = Shop::of(&deployment).await;
    assert_eq!(shop.peek("/items/sku/KEPT").await.json()["quantity"], 3);
    assert_eq!(shop.read("/items/sku/KEPT", &created.token).await.status, 200, "an old log counts as satisfied");
    let reserved = shop.reserve("KEPT", 1, None).await.expect("accepted");
    assert_eq!(shop.outcome(&reserved).await, "applied");
    deployment.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_beside_a_running_one_refuses_and_says_who_holds_the_data() {
    let (folder, _) = folder();
    let program = Program::start(folder.path()).await;
    let second = run_to_end(&mut inventory(folder.path(), &[]));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(75), "{said}");
    assert!(said.contains("data/inventory.db is held by process"), "{said}");
    assert!(program.interrupt(), "the first is not disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_log_has_no_room_works_all_the_same() {
    let (folder, _) = folder();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("inventory.log")).expect("linked");
    let process = Program::launch(folder.path(), &[("LOG_LEVEL", "debug".to_owned())]);
    let program = Program::started(process).await;
    assert!(program.interrupt(), "it ends well, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_what_is_under_way() {
    let (folder, _) = folder();
    let mut program = Program::start(folder.path()).await;
    let address = program.command.trim_start_matches("http://").to_owned();
    let mut slow = std::net::TcpStream::connect(&address).expect("connected");
    slow.write_all(
        b"POST /api/v1/inventory/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .expect("begun");
    // Answered on another connection, so the first one has been read too.
    reqwest::get(format!("{}/health/live", program.command)).await.expect("answered");
    program.process.signal("-INT");
    eventually(SOON, async || std::net::TcpStream::connect(&address).is_err()).await;
    program.process.signal("-INT");
    assert_eq!(program.process.ended(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_catalogue_is_filled_once_with_a_running_trio_or_without() {
    let (folder, _) = folder();
    let seed = |arguments: &[&str]| {
        let output = run_to_end(&mut inventory(folder.path(), arguments));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(seed(&["seed", "--items", "20"]), "20 demo items: 20 created, 0 there already\n");
    let program = Program::start(folder.path()).await;
    let port = program.command.rsplit(':').next().expect("a port").to_owned();
    assert_eq!(
        seed(&["--command-port", &port, "seed", "--items", "30"]),
        "30 demo items: 10 created, 20 there already\n"
    );
    let shop = Shop::between(from_ref(&program.command), from_ref(&program.query), Arc::default()).await;
    assert_eq!(shop.peek("/items?pageSize=1").await.json()["total"], 30);
    assert_eq!(shop.peek("/items/sku/DEMO-0007").await.json()["quantity"], 9);
    assert!(program.interrupt());
}

#[test]
fn bad_settings_exit_with_64_and_name_the_variable() {
    let (folder, _) = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").port().to_string();
    for (variable, value) in [
        ("COMMAND_PORT", "http"),
        ("QUERY_PORT", taken.as_str()),
        ("LISTENER_PORT", taken.as_str()),
        ("LOG_LEVEL", "inventory=loud"),
        ("KAFKA_PROPERTIES", "no.such.property=1"),
        ("QUERY_BASE_URL", "ftp://x"),
        ("BATCH_MAX", "0"),
        ("LEASE_SECONDS", "1"),
    ] {
        let mut command = inventory(folder.path(), &[]);
        command.env(variable, value);
        if variable == "KAFKA_PROPERTIES" {
            command.env("KAFKA_BROKERS", "127.0.0.1:1");
        }
        let output = run_to_end(&mut command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{variable}={value}: {said}");
        let flag = format!("--{}", variable.to_lowercase().replace('_', "-"));
        assert!(said.contains(variable) || said.contains(&flag), "{variable}={value}: {said}");
    }
}

#[test]
fn settings_come_from_the_env_file_too() {
    let (folder, _) = folder();
    std::fs::write(folder.path().join(".env"), "LEASE_SECONDS=never\n").expect("written");
    let output = run_to_end(&mut inventory(folder.path(), &[]));
    assert_eq!(output.status.code(), Some(64), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_and_version_end_well() {
    let (folder, _) = folder();
    for argument in ["--help", "--version"] {
        let output = run_to_end(inventory(folder.path(), &[argument]).stdin(Stdio::null()));
        assert_eq!(output.status.code(), Some(0), "{argument}");
    }
}
