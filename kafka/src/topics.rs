//! The topics, and how each is made: the one definition that everything else follows.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use shared::settings::TopicSettings;

use crate::connection::{Connection, KafkaError};

/// Commands have one partition: the log is the one order of everything (docs/adr/0001).
pub const COMMANDS_PARTITION: i32 = 0;

/// A poison just under the broker's 1 MiB must still fit on the DLQ with our headers.
const DLQ_MAX_BYTES: &str = "2097152";
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

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
    /// Name and number of partitions of each.
    pub fn definitions(&self) -> Vec<(String, i32)> {
        vec![(self.commands.clone(), 1), (self.items.clone(), 3), (self.stock.clone(), 3), (self.dlq.clone(), 1)]
    }

    /// Makes the topics that are missing. One that is there stays as it is: the number of partitions of a live topic
    /// is never changed, so a commands topic with more than one is an error.
    pub async fn ensure(&self, connection: &Connection) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = connection.config().create().map_err(KafkaError::Client)?;
        let definitions = self.definitions();
        let wanted: Vec<NewTopic<'_>> = definitions
            .iter()
            .map(|(name, partitions)| {
                // -1: as many replicas as the cluster's default says.
                let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(-1));
                if *name == self.dlq { topic.set("max.message.bytes", DLQ_MAX_BYTES) } else { topic }
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
        let results =
            admin.create_topics(&wanted, &options).await.map_err(KafkaError::broker("cannot create the topics"))?;
        for result in results {
            match result {
                Ok(topic) => tracing::info!(topic, "created"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(KafkaError::Topic { topic, detail: code.to_string() }),
            }
        }
        let commands = self.commands.clone();
        tokio::task::spawn_blocking(move || one_partition(&admin, &commands))
            .await
            .expect("looking at metadata does not panic")
    }
}

fn one_partition(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<(), KafkaError> {
    let metadata =
        admin.inner().fetch_metadata(Some(topic), TIMEOUT).map_err(KafkaError::broker("cannot look at the topics"))?;
    let partitions = metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len());
    if partitions == 1 {
        return Ok(());
    }
    let detail = format!("has {partitions} partitions and must have 1: the log is one order (docs/adr/0001)");
    Err(KafkaError::Topic { topic: topic.to_owned(), detail })
}
