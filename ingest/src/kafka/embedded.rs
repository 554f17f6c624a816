//! A broker inside the process, for the demonstration and quick tests.
//!
//! It is librdkafka's mock cluster. Limits, all of which come from there:
//! - A partition keeps the last 5 MiB *as they were sent* (compressed batches count compressed) and the last 100,000 messages; older
//!   ones vanish, read or not, and a reader that is behind then fails with "offset out of range". So a producer must stay less
//!   than [`KEPT_BYTES_PER_PARTITION`] ahead of the slowest reader, over as many partitions as it likes.
//! - Nothing is on disk; everything ends with the value.
//! - No transactions, no topic configuration, no compaction, no security, no administration requests.

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use super::KafkaError;

/// What a partition keeps at least, in bytes as sent, with a margin for the batch that is being written.
pub const KEPT_BYTES_PER_PARTITION: u64 = 4 * 1024 * 1024;
/// What a partition keeps at least, in messages, with the same margin.
pub const KEPT_MESSAGES_PER_PARTITION: u64 = 80_000;

/// A broker that lives as long as this value.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts one broker on a free loopback port.
    ///
    /// # Errors
    /// No port, no thread.
    pub fn start() -> Result<Self, KafkaError> {
        let cluster = MockCluster::new(1).map_err(KafkaError::Client)?;
        Ok(EmbeddedBroker { cluster })
    }

    /// `host:port`
    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// A topic of this name exists, or the number of partitions is out of range.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), KafkaError> {
        let refused = |reason: String| KafkaError::Topic { topic: topic.to_owned(), reason };
        let partitions = i32::try_from(partitions).map_err(|error| refused(error.to_string()))?;
        self.cluster.create_topic(topic, partitions, 1).map_err(|error| refused(error.to_string()))
    }
}
