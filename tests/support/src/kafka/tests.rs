//! The broker itself, and the ways to it.

use super::*;
use crate::proxy::Link;

#[test]
fn what_is_missing_is_left_out_but_in_ci() {
    assert_eq!(may_leave_out("Kafka", &[], true), Some(()));
    assert_eq!(may_leave_out("Kafka", &["java"], false), None);
    let in_ci = std::panic::catch_unwind(|| may_leave_out("Kafka", &["java"], true));
    assert!(in_ci.is_err());
}

#[test]
fn a_broker_keeps_its_data_through_stop_and_kill_and_loses_it_when_wiped() {
    let Some(kafka) = Kafka::start() else { return };
    let cluster = || {
        let stored = kafka.data.path().join("log/meta.properties");
        let stored = std::fs::read_to_string(stored).expect("formatted");
        stored.lines().find(|line| line.starts_with("cluster.id=")).expect("an id").to_owned()
    };
    let first = cluster();
    kafka.stop();
    assert!(!kafka.runs());
    kafka.start_again();
    kafka.kill();
    assert!(!kafka.runs());
    kafka.start_again();
    assert!(kafka.runs());
    assert_eq!(cluster(), first);
    kafka.wipe();
    kafka.start_again();
    assert_ne!(cluster(), first);
}

#[test]
fn a_broker_that_was_frozen_can_be_thawed_stopped_and_killed() {
    let Some(kafka) = Kafka::start() else { return };
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", kafka.pid())).expect("it is there");
    kafka.freeze();
    eventually_blocking(GONE_WITHIN, || state().contains(") T "));
    kafka.thaw();
    eventually_blocking(GONE_WITHIN, || !state().contains(") T "));
    kafka.freeze();
    let begun = std::time::Instant::now();
    kafka.stop();
    assert!(begun.elapsed() < Duration::from_secs(25), "it was killed for not stopping");
    kafka.start_again();
    kafka.freeze();
    kafka.kill();
    assert!(!kafka.runs());
    kafka.start_again();
    assert!(kafka.runs());
}

#[test]
fn a_broker_ends_with_its_owner_also_when_it_is_frozen() {
    let Some(kafka) = Kafka::start() else { return };
    let pid = kafka.pid();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    kafka.freeze();
    drop(kafka);
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(line.is_empty(), "it still runs");
}

#[test]
fn who_comes_through_a_proxy_stays_behind_it_and_the_others_do_not_notice() {
    let kcat_is_there = Command::new("kcat").arg("-V").output().is_ok();
    let missing: &[&str] = if kcat_is_there { &[] } else { &["kcat"] };
    if may_leave_out("this test", missing, std::env::var_os("CI").is_some()).is_none() {
        return;
    }
    let Some(kafka) = Kafka::start_behind(&["command", "listener"]) else { return };
    let told = |address: &str| {
        let asked = Command::new("kcat").args(["-L", "-m", "3", "-b", address]).output().expect("kcat");
        String::from_utf8_lossy(&asked.stdout).into_owned()
    };
    let ways = [kafka.address(), kafka.link("command"), kafka.link("listener")];
    for way in &ways {
        let broker = format!("broker 1 at {way}");
        eventually_blocking(GONE_WITHIN, || told(way).contains(&broker).then_some(()).ok_or_else(|| told(way)));
    }
    kafka.proxy("command").set(Link::Cut);
    assert_eq!(told(&ways[1]), "");
    assert!(told(&ways[0]).contains("inventory.commands") && told(&ways[2]).contains("inventory.commands"));
    kafka.proxy("listener").set(Link::Sliced(7));
    assert!(told(&ways[2]).contains("inventory.commands"), "torn frames are whole again");
    kafka.kill();
    kafka.start_again();
    kafka.proxy("command").set(Link::Clear);
    assert!(told(&ways[1]).contains("inventory.commands"));
}
