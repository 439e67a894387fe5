//! Apache Kafka, as `kafka/local.sh` starts it, but compiled as servers are, with its four topics.

use testkit::kafka::Kafka;

use super::{Missing, need};

pub(crate) fn start() -> anyhow::Result<Kafka> {
    let why = "Kafka needs Java 17 and, once, Maven (Debian: default-jre-headless, maven)";
    need(&["bash", "java"], why)?;
    Kafka::start_measured().ok_or_else(|| Missing(why.to_owned()).into())
}

/// The server's process, for its processor time.
pub(crate) fn pid(kafka: &Kafka) -> anyhow::Result<u32> {
    let port = kafka.address();
    let listener = format!("listeners=PLAINTEXT://{port},");
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<&str> =
            line.split(|&byte| byte == 0).filter_map(|part| std::str::from_utf8(part).ok()).collect();
        if let Some(main) = arguments.iter().position(|argument| *argument == "kafka.Kafka")
            && let Some(properties) = arguments.get(main + 1)
            && std::fs::read_to_string(properties).is_ok_and(|properties| properties.contains(&listener))
        {
            return Ok(pid);
        }
    }
    anyhow::bail!("no Kafka listens on {port}")
}
