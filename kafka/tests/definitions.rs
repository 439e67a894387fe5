//! `compose.yaml` and `local.sh` make the same topics, on the same Kafka, as `src/topics.rs` says.

use kafka::Topics;

const COMPOSE: &str = include_str!("../compose.yaml");
const LOCAL: &str = include_str!("../local.sh");
const POM: &str = include_str!("../pom.xml");

/// Name, partitions and settings of each topic, the settings in any order.
type Made = Vec<(String, i32, Vec<(String, String)>)>;

fn defined() -> Made {
    let settings = |settings: &[(&str, &str)]| {
        sorted(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    let definitions = Topics::default().definitions();
    definitions.into_iter().map(|topic| (topic.name, topic.partitions, settings(topic.settings))).collect()
}

/// The lines `create NAME PARTITIONS [--config SETTING=VALUE]…` of a script.
fn made_by(script: &str) -> Made {
    let lines = script.lines().filter_map(|line| line.trim().strip_prefix("create "));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let settings = words[2..].chunks(2).map(|pair| {
                assert_eq!(pair[0], "--config", "{line}");
                let (name, value) = pair[1].split_once('=').expect("a setting and its value");
                (name.to_owned(), value.to_owned())
            });
            (default_of(words[0]), words[1].parse().expect("a number of partitions"), sorted(settings.collect()))
        })
        .collect()
}

/// `"${VARIABLE:-default}"`, or the name itself.
fn default_of(word: &str) -> String {
    let word = word.trim_matches('"');
    let default =
        word.strip_prefix("${").and_then(|word| word.strip_suffix('}')).and_then(|word| word.split_once(":-"));
    default.map_or(word, |(_, default)| default).to_owned()
}

fn sorted(mut settings: Vec<(String, String)>) -> Vec<(String, String)> {
    settings.sort();
    settings
}

#[test]
fn compose_and_the_local_runner_make_the_topics_that_the_code_defines() {
    assert_eq!(made_by(COMPOSE), defined(), "kafka/compose.yaml");
    assert_eq!(made_by(LOCAL), defined(), "kafka/local.sh");
}

#[test]
fn compose_and_the_local_runner_run_the_same_kafka() {
    let version = POM.split_once("<kafka.version>").expect("a version").1;
    let version = version.split_once("</kafka.version>").expect("its end").0;
    let images: Vec<&str> =
        COMPOSE.lines().filter_map(|line| line.trim().strip_prefix("image: apache/kafka:")).collect();
    assert!(!images.is_empty());
    assert!(images.iter().all(|image| *image == version), "{images:?}, but {version} in kafka/pom.xml");
}
