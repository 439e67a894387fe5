//! How to reach a broker, and what every client of it has in common.

use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use shared::settings::{KafkaSettings, SettingsError, TopicSettings};
use shared::token::LogId;

use crate::bootstrap::Bootstrap;

/// Properties that the design depends on.
const OURS: [&str; 10] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "group.id",
    "partitioner",
    "request.required.acks",
];

/// A fault of the broker or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A client could not be made: most often a property that librdkafka does not know.
    #[error("cannot make a Kafka client: {}", without_value(.0))]
    Client(rdkafka::error::KafkaError),
    /// The broker did not answer, or answered an error.
    #[error("{doing}: {source}")]
    Broker {
        /// What was being done.
        doing: &'static str,
        /// What librdkafka said.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// A topic is not as this system needs it.
    #[error("topic {topic}: {detail}")]
    Topic {
        /// Its name.
        topic: String,
        /// What is wrong.
        detail: String,
    },
    /// The system starts no more threads.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The thread of the embedded broker ended.
    #[error("the embedded broker has ended")]
    EmbeddedBrokerEnded,
}

impl KafkaError {
    pub(crate) fn broker(doing: &'static str) -> impl FnOnce(rdkafka::error::KafkaError) -> Self {
        move |source| Self::Broker { doing, source }
    }
}

/// Where the broker is.
#[derive(Clone)]
pub struct Connection {
    brokers: String,
    properties: Vec<(String, String)>,
    embedded: Option<LogId>,
}

/// Properties are left out: a password may be among them.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl Connection {
    /// A real Kafka. `None` without `KAFKA_BROKERS`. Refuses properties that librdkafka does not know or that this system
    /// depends on, and topics that are not four.
    pub fn from_settings(settings: &KafkaSettings) -> Result<Option<Self>, SettingsError> {
        distinct(&settings.topics)?;
        let properties = settings.properties()?;
        if let Some((name, _)) = properties.iter().find(|(name, _)| OURS.contains(&name.as_str())) {
            return Err(SettingsError::new("KAFKA_PROPERTIES", format!("{name} is not yours to set")));
        }
        if let Some((name, _)) = properties.iter().find(|(name, value)| needs_tls(name, value))
            && !cfg!(feature = "kafka-tls")
        {
            let detail = format!("{name} needs TLS, which this build is without: cargo build --features kafka-tls");
            return Err(SettingsError::new("KAFKA_PROPERTIES", detail));
        }
        let Some(brokers) = settings.kafka_brokers.as_ref().filter(|brokers| !brokers.trim().is_empty()) else {
            return Ok(None);
        };
        let connection = Self { brokers: brokers.clone(), properties, embedded: None };
        // librdkafka checks names and values when a client is made: say so now, not at the first request.
        connection
            .config(&[])
            .create::<rdkafka::producer::BaseProducer>()
            .map_err(|error| SettingsError::new("KAFKA_PROPERTIES", KafkaError::Client(error).to_string()))?;
        Ok(Some(connection))
    }

    /// A broker at `host:port,…`, without properties of an operator.
    pub fn at(brokers: String) -> Self {
        Self { brokers, properties: Vec::new(), embedded: None }
    }

    pub(crate) fn embedded(brokers: String, log: LogId) -> Self {
        Self { embedded: Some(log), ..Self::at(brokers) }
    }

    /// The same broker as another process sees it: by its address alone.
    #[must_use]
    pub fn as_remote(&self) -> Self {
        Self { embedded: None, ..self.clone() }
    }

    /// `host:port,…`
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The log's identity if the broker is embedded; a real cluster is asked for its own.
    pub fn embedded_log(&self) -> Option<&LogId> {
        self.embedded.as_ref()
    }

    /// What every client has in common, then what this one needs, then the operator's properties as they are.
    pub(crate) fn config(&self, needs: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "inventory")
            .set("allow.auto.create.topics", "false")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.nagle.disable", "true")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in needs {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// For a client that is asked whether the broker is there.
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap::of(&self.brokers)
    }

    /// A waiting fetch of the in-process broker is not woken by a produce, so it must not wait long there.
    pub(crate) fn fetch_wait_ms(&self) -> &'static str {
        if self.embedded.is_some() { "3" } else { "100" }
    }
}

/// Two in one would feed the writer its own words.
fn distinct(topics: &TopicSettings) -> Result<(), SettingsError> {
    let named = [
        ("KAFKA_TOPIC_COMMANDS", &topics.kafka_topic_commands),
        ("KAFKA_TOPIC_ITEMS", &topics.kafka_topic_items),
        ("KAFKA_TOPIC_STOCK", &topics.kafka_topic_stock),
        ("KAFKA_TOPIC_DLQ", &topics.kafka_topic_dlq),
    ];
    for (index, (variable, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..index].iter().find(|(_, earlier)| earlier == name) {
            return Err(SettingsError::new(variable, format!("{name:?} is the topic of {other} already")));
        }
    }
    Ok(())
}

/// SCRAM takes its hashes from the same library. SASL alone, with `PLAIN`, needs none.
fn needs_tls(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "security.protocol" => value.ends_with("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => value.starts_with("scram"),
        _ => name.starts_with("ssl."),
    }
}

/// A property that is wrong may be a password under a misspelt name, so its value is not shown.
fn without_value(error: &rdkafka::error::KafkaError) -> String {
    if let rdkafka::error::KafkaError::ClientConfig(_, description, name, _) = error {
        format!("{name}: {description}")
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(properties: &str) -> Result<Option<Connection>, SettingsError> {
        let topics = TopicSettings {
            kafka_topic_commands: "c".to_owned(),
            kafka_topic_items: "i".to_owned(),
            kafka_topic_stock: "s".to_owned(),
            kafka_topic_dlq: "d".to_owned(),
        };
        let kafka_brokers = Some("127.0.0.1:1".to_owned());
        Connection::from_settings(&KafkaSettings {
            kafka_brokers,
            kafka_properties: Some(properties.to_owned()),
            topics,
        })
    }

    #[test]
    fn tls_and_scram_are_there_or_the_feature_that_brings_them_is_named() {
        for properties in [
            "security.protocol=SSL",
            "security.protocol=sasl_ssl,sasl.mechanism=PLAIN,sasl.username=u,sasl.password=secret",
            "security.protocol=sasl_plaintext,sasl.mechanism=SCRAM-SHA-512,sasl.username=u,sasl.password=secret",
        ] {
            match with(properties) {
                Ok(connection) => assert!(cfg!(feature = "kafka-tls") && connection.is_some(), "{properties}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!cfg!(feature = "kafka-tls") && error.contains("--features kafka-tls"), "{error}");
                    assert!(!error.contains("secret"), "{error}");
                }
            }
        }
    }

    #[test]
    fn plain_sasl_needs_no_tls() {
        let sasl = "security.protocol=sasl_plaintext,sasl.mechanism=PLAIN,sasl.username=u,sasl.password=p";
        assert!(with(sasl).is_ok());
    }
}
