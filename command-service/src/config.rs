//! What command-service is told at its start, parsed once.
//!
//! [`CommandSettings`] is this service's own group of flags and variables; the all-in-one program composes it with the
//! shared groups, and [`Program`] does the same for the stand-alone binary.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser};
use shared::settings::{HostSettings, KafkaSettings, LogSettings, SettingsError, TopicSettings};
use tokio::sync::watch;

/// The settings that only command-service has.
#[derive(Debug, Clone, Args)]
pub struct CommandSettings {
    /// The port of the write API; 0 for any free one.
    #[arg(long, env = "COMMAND_PORT", default_value_t = 8080)]
    pub command_port: u16,

    /// How long a write waits for the broker's acknowledgement, in milliseconds, before it answers 504.
    #[arg(long, env = "ACK_WAIT_MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub ack_wait_ms: u64,

    /// Where clients reach query-service: the beginning of the links in a 202.
    #[arg(long, env = "QUERY_BASE_URL", default_value = "http://127.0.0.1:8081")]
    pub query_base_url: QueryBaseUrl,
}

/// The settings of the stand-alone binary. No `Debug`: `KAFKA_PROPERTIES` may hold a password.
#[derive(Parser)]
#[command(name = "command-service", version, about = "The write API of the inventory: one event a request, then 202")]
pub struct Program {
    /// Where to listen.
    #[command(flatten)]
    pub host: HostSettings,
    /// What to log.
    #[command(flatten)]
    pub log: LogSettings,
    /// Which broker; it must be named.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// The service's own.
    #[command(flatten)]
    pub command: CommandSettings,
}

/// An `http` or `https` URL without query, fragment, user and trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryBaseUrl(Box<str>);

/// All that a running service needs. No `Debug`: the connection may hold a password.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
    /// How long requests under way and messages in hand may take to end after a shutdown began.
    pub drain: Duration,
    /// The broker.
    pub kafka: kafka::Connection,
    /// The names of the topics.
    pub topics: kafka::Topics,
    /// The beginning of the links in a 202.
    pub query_base_url: QueryBaseUrl,
    /// How long a write waits for what makes it durable.
    pub ack_wait: Duration,
    /// With the embedded broker, whose log is not durable: the writer's next offset. A 202 then waits for it.
    pub applied: Option<watch::Receiver<i64>>,
}

impl Config {
    /// From the settings' groups, for a log that is durable by itself; set `applied` for one that is not.
    pub fn new(
        host: &HostSettings,
        topics: &TopicSettings,
        command: &CommandSettings,
        connection: kafka::Connection,
    ) -> Self {
        Self {
            host: host.host.clone(),
            port: command.command_port,
            drain: host.drain(),
            kafka: connection,
            topics: topics.into(),
            query_base_url: command.query_base_url.clone(),
            ack_wait: Duration::from_millis(command.ack_wait_ms),
            applied: None,
        }
    }
}

impl Program {
    /// Cross-checks what was set; the error names the variable.
    pub fn config(&self) -> Result<Config, SettingsError> {
        let connection = kafka::Connection::from_settings(&self.kafka)?.ok_or_else(|| {
            SettingsError::new("KAFKA_BROKERS", "is required: the brokers of the commands' log, host:port,…")
        })?;
        Ok(Config::new(&self.host, &self.kafka.topics, &self.command, connection))
    }
}

/// The text is no URL that a link can begin with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL without user, query and fragment, such as http://127.0.0.1:8081")]
pub struct InvalidBaseUrl;

impl QueryBaseUrl {
    /// Trims trailing slashes.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        // A fragment is cut off by `Uri`, characters outside ASCII cannot stand in `Location`, and quotes, which `Uri` lets
        // pass, must be escaped in JSON.
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'\\'));
        let uri: ::http::Uri = text.parse().map_err(|_| InvalidBaseUrl)?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if plain && web && host && uri.query().is_none() {
            Ok(Self(text.trim_end_matches('/').into()))
        } else {
            Err(InvalidBaseUrl)
        }
    }

    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueryBaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        Self::parse(text)
    }
}

impl fmt::Display for QueryBaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_http_and_loses_its_trailing_slash() {
        let trimmed = |text| QueryBaseUrl::parse(text).map(|url| url.to_string());
        assert_eq!(trimmed("http://127.0.0.1:8081/"), Ok("http://127.0.0.1:8081".to_owned()));
        assert_eq!(trimmed("https://shop.example/stock//"), Ok("https://shop.example/stock".to_owned()));
        for wrong in [
            "",
            "shop.example",
            "ftp://x",
            "/path",
            "http://",
            "http://u:p@x",
            "http://x?a=b",
            "http://x#a",
            "http://ä",
            "http://x/\"y",
            "http://x/\\y",
        ] {
            assert_eq!(trimmed(wrong), Err(InvalidBaseUrl), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_used_names_its_variable() {
        let program = |flags: &[&str]| Program::try_parse_from([&["command-service"], flags].concat());
        let error = program(&[]).expect("defaults suffice to parse").config().err().expect("no broker").to_string();
        assert!(error.starts_with("KAFKA_BROKERS: "), "{error}");
        for (flag, variable) in [
            ("--query-base-url=x", "QUERY_BASE_URL"),
            ("--ack-wait-ms=0", "ACK_WAIT_MS"),
            ("--command-port=x", "COMMAND_PORT"),
        ] {
            let error = program(&[flag]).err().expect("refused").to_string();
            assert!(error.contains(variable), "{error}");
        }
    }
}
