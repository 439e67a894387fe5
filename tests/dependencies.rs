//! Who may depend on whom: the rules of docs/ARCHITECTURE.md, held over the normal dependencies that cargo resolves.
//!
//! `deny.toml` says much of the same of direct dependencies of every kind; only this sees through the whole tree, and
//! leaves out what tests alone need.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which crates each crate depends on directly, in normal dependencies.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Each crate of the workspace, and those of the workspace that it may depend on.
const WORKSPACE: [(&str, &[&str]); 7] = [
    ("shared", &[]),
    ("kafka", &["shared"]),
    ("command-service", &["shared", "kafka"]),
    ("listener-service", &["shared", "kafka"]),
    ("query-service", &["shared"]),
    ("inventory", &["shared", "kafka", "command-service", "listener-service", "query-service"]),
    ("testkit", &["shared"]),
];

/// What no crate may hold anywhere in its tree.
const ABSENT: [(&str, &[&str]); 5] = [
    ("query-service", &["kafka", "rdkafka", "rdkafka-sys"]),
    ("command-service", &["rusqlite", "libsqlite3-sys", "r2d2", "r2d2_sqlite", "rusqlite_migration", "moka"]),
    ("listener-service", &["moka"]),
    ("shared", &["rdkafka", "rusqlite", "r2d2", "moka"]),
    ("kafka", &["rusqlite", "r2d2", "moka"]),
];

/// What only these crates of the workspace may depend on directly.
const ONLY: [(&str, &[&str]); 8] = [
    ("rdkafka", &["kafka"]),
    ("moka", &["query-service"]),
    ("rusqlite", &["listener-service", "query-service", "testkit"]),
    ("r2d2", &["listener-service", "query-service"]),
    ("r2d2_sqlite", &["listener-service", "query-service"]),
    // Who makes tables writes them.
    ("rusqlite_migration", &["listener-service"]),
    ("backoff", &["listener-service"]),
    ("fail", &["listener-service"]),
];

/// A feature with which nothing is ever shipped: the crates that have it do without it unless a build asks for it.
const FAILPOINTS: (&str, [&str; 2]) = ("failpoints", ["fail", "listener-service"]);

/// Every rule that the graph breaks, in words.
fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (name, allowed) in WORKSPACE {
        let Some(direct) = graph.get(name) else {
            found.push(format!("{name} is not in the workspace"));
            continue;
        };
        let ours = WORKSPACE.iter().map(|(name, _)| *name).filter(|other| direct.contains(*other));
        found.extend(ours.filter(|other| !allowed.contains(other)).map(|other| format!("{name} depends on {other}")));
        let restricted = ONLY.iter().filter(|(outside, users)| direct.contains(*outside) && !users.contains(&name));
        found.extend(restricted.map(|(outside, _)| format!("{name} depends on {outside}")));
    }
    for (name, absent) in ABSENT {
        let tree = tree(graph, name);
        let held = absent.iter().filter(|outside| tree.contains(**outside));
        found.extend(held.map(|outside| format!("{name} holds {outside} in its tree")));
    }
    found
}

/// Everything that `name` depends on, directly or not.
fn tree<'a>(graph: &'a Graph, name: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let direct = graph.get(next).into_iter().flatten().map(String::as_str);
        open.extend(direct.filter(|dependency| seen.insert(*dependency)));
    }
    seen
}

/// What cargo resolves for this machine, without looking at the network for other platforms' crates.
fn metadata() -> Metadata {
    let host = Command::new(env!("CARGO")).arg("-vV").output().expect("cargo runs").stdout;
    let host = String::from_utf8(host).expect("text");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--locked", "--filter-platform", host].map(str::to_owned))
        .exec()
        .expect("cargo metadata")
}

/// The graph that it makes.
fn resolved(metadata: &Metadata) -> Graph {
    let name = |id| metadata[id].name.to_string();
    let nodes = &metadata.resolve.as_ref().expect("resolved").nodes;
    let mut graph = Graph::new();
    for node in nodes {
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        graph.entry(name(&node.id)).or_default().extend(normal.map(|dep| name(&dep.pkg)));
    }
    graph
}

/// A workspace that keeps the rules, with the given edges besides.
fn with(edges: &[(&str, &str)]) -> Graph {
    let kept = [
        ("kafka", "shared"),
        ("kafka", "rdkafka"),
        ("command-service", "kafka"),
        ("listener-service", "kafka"),
        ("listener-service", "rusqlite"),
        ("query-service", "moka"),
        ("query-service", "r2d2_sqlite"),
        ("r2d2_sqlite", "rusqlite"),
        ("inventory", "query-service"),
        ("testkit", "rusqlite"),
    ];
    let mut graph: Graph = WORKSPACE.iter().map(|(name, _)| ((*name).to_owned(), BTreeSet::new())).collect();
    for (from, to) in kept.iter().chain(edges) {
        graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
    }
    graph
}

#[test]
fn dependencies_point_one_way() {
    let found = violations(&resolved(&metadata()));
    assert!(found.is_empty(), "{found:#?}");
}

/// Of those that have the feature: which are built with it when nobody asks for it.
fn built_to_fail(metadata: &Metadata) -> Vec<(&str, bool)> {
    let (feature, _) = FAILPOINTS;
    let nodes = &metadata.resolve.as_ref().expect("resolved").nodes;
    let having = nodes.iter().filter(|node| metadata[&node.id].features.contains_key(feature));
    let mut found: Vec<_> = having
        .map(|node| (metadata[&node.id].name.as_str(), node.features.iter().any(|on| on.as_str() == feature)))
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn nothing_is_built_to_fail_unless_that_is_asked_for() {
    assert_eq!(built_to_fail(&metadata()), FAILPOINTS.1.map(|name| (name, false)));
}

#[test]
fn the_rules_find_a_planted_fault() {
    assert_eq!(violations(&with(&[])), [""; 0]);
    let red = |edges: &[(&str, &str)], says: &str| {
        let found = violations(&with(edges));
        assert!(found.iter().any(|found| found == says), "{edges:?}: {found:?}");
    };
    red(&[("command-service", "query-service")], "command-service depends on query-service");
    red(&[("listener-service", "command-service")], "listener-service depends on command-service");
    red(&[("shared", "kafka")], "shared depends on kafka");
    red(&[("query-service", "kafka")], "query-service depends on kafka");
    red(&[("query-service", "kafka")], "query-service holds rdkafka in its tree");
    red(&[("query-service", "x"), ("x", "y"), ("y", "rdkafka-sys")], "query-service holds rdkafka-sys in its tree");
    red(&[("command-service", "x"), ("x", "rusqlite")], "command-service holds rusqlite in its tree");
    red(&[("inventory", "moka")], "inventory depends on moka");
    red(&[("query-service", "rusqlite_migration")], "query-service depends on rusqlite_migration");
    red(&[("command-service", "fail")], "command-service depends on fail");
    red(&[("command-service", "rdkafka")], "command-service depends on rdkafka");
    red(&[("shared", "testkit")], "shared depends on testkit");
    let mut renamed = with(&[]);
    renamed.remove("kafka");
    assert_eq!(violations(&renamed), ["kafka is not in the workspace"]);
}
