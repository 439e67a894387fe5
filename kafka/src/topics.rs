//! The topics, and how each is made: the one definition that everything else follows.

use std::collections::HashMap;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use shared::settings::TopicSettings;

use crate::connection::{Connection, KafkaError};

/// Commands have one partition: the log is the one order of everything (docs/adr/0001).
pub const COMMANDS_PARTITION: i32 = 0;

/// A year: a restored database replays the commands from here, and a dead letter waits for its operator.
const KEPT: (&str, &str) = ("retention.ms", "31536000000");
/// However many there are.
const UNBOUNDED: (&str, &str) = ("retention.bytes", "-1");
/// A poison just under the broker's 1 MiB must still fit on the DLQ with our headers.
const ROOM_FOR_POISON: (&str, &str) = ("max.message.bytes", "2097152");
/// Short, for whoever asks holds a lease meanwhile, and asks again.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// How one topic is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Its settings, where they are not the broker's.
    pub settings: &'static [(&'static str, &'static str)],
}

/// The names of the four topics.
#[derive(Debug, Clone)]
pub struct Topics {
    /// What was requested.
    pub commands: String,
    /// What became of catalogue requests.
    pub items: String,
    /// What became of stock requests.
    pub stock: String,
    /// What could not be processed.
    pub dlq: String,
}

impl From<&TopicSettings> for Topics {
    fn from(settings: &TopicSettings) -> Self {
        Self {
            commands: settings.kafka_topic_commands.clone(),
            items: settings.kafka_topic_items.clone(),
            stock: settings.kafka_topic_stock.clone(),
            dlq: settings.kafka_topic_dlq.clone(),
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            commands: "inventory.commands".to_owned(),
            items: "inventory.items".to_owned(),
            stock: "inventory.stock".to_owned(),
            dlq: "inventory.dlq".to_owned(),
        }
    }
}

impl Topics {
    /// How each is made. `compose.yaml` and `local.sh` beside this crate say the same; a test holds them to it.
    pub fn definitions(&self) -> [Definition; 4] {
        let define = |name: &str, partitions, settings| Definition { name: name.to_owned(), partitions, settings };
        [
            define(&self.commands, 1, &[KEPT, UNBOUNDED]),
            define(&self.items, 3, &[]),
            define(&self.stock, 3, &[]),
            define(&self.dlq, 1, &[ROOM_FOR_POISON, KEPT]),
        ]
    }

    /// Makes the topics that are missing. One that is there stays as it is: the number of partitions of a live topic
    /// is never changed, so a commands topic with more than one is an error.
    pub async fn ensure(&self, connection: &Connection) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = connection.config(&[]).create().map_err(KafkaError::Client)?;
        let (admin, there) = tokio::task::spawn_blocking(move || {
            let there = partitions(&admin);
            (admin, there)
        })
        .await
        .expect("looking at metadata does not panic");
        let there = there?;
        let definitions = self.definitions();
        let missing: Vec<NewTopic<'_>> =
            definitions.iter().filter(|topic| !there.contains_key(&topic.name)).map(new_topic).collect();
        match there.get(&self.commands) {
            Some(1) | None => create(&admin, &missing).await,
            Some(several) => {
                let detail = format!("has {several} partitions and must have 1: the log is one order (docs/adr/0001)");
                Err(KafkaError::Topic { topic: self.commands.clone(), detail })
            }
        }
    }
}

fn new_topic(definition: &Definition) -> NewTopic<'_> {
    // -1: as many replicas as the cluster's default says.
    let topic = NewTopic::new(&definition.name, definition.partitions, TopicReplication::Fixed(-1));
    definition.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

async fn create(admin: &AdminClient<DefaultClientContext>, missing: &[NewTopic<'_>]) -> Result<(), KafkaError> {
    if missing.is_empty() {
        return Ok(());
    }
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    let results =
        admin.create_topics(missing, &options).await.map_err(KafkaError::broker("cannot create the topics"))?;
    for result in results {
        match result {
            Ok(topic) => tracing::info!(topic, "created"),
            // By somebody else, since we looked.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(KafkaError::Topic { topic, detail: code.to_string() }),
        }
    }
    Ok(())
}

/// The number of partitions of each topic of the cluster.
fn partitions(admin: &AdminClient<DefaultClientContext>) -> Result<HashMap<String, usize>, KafkaError> {
    let metadata =
        admin.inner().fetch_metadata(None, TIMEOUT).map_err(KafkaError::broker("cannot look at the topics"))?;
    Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
}
