//! Options of the producer, with every default.

use std::{sync::Arc, time::Duration};

use rdkafka::ClientConfig;
use runtime::io::OutTopic;

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Fast.
    #[default]
    Lz4,
    /// Small.
    Zstd,
    /// Not at all.
    None,
}

/// The names of the topics that stages write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutTopics {
    /// `rollup-partials`
    pub partials: Arc<str>,
    /// `usage-events-dlq`
    pub dead_letters: Arc<str>,
    /// `cost-alerts`
    pub alerts: Arc<str>,
}

impl OutTopics {
    pub(super) fn name(&self, topic: OutTopic) -> &str {
        match topic {
            OutTopic::Partials => &self.partials,
            OutTopic::DeadLetters => &self.dead_letters,
            OutTopic::Alerts => &self.alerts,
        }
    }
}

/// How one process writes.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// What every client of the cluster shares (`ingest`'s `KafkaConnection::client_config`).
    pub client: ClientConfig,
    /// Compression of batches.
    pub compression: Compression,
    /// How long a record waits for others.
    pub linger: Duration,
    /// Unacknowledged records of all outboxes together, at most.
    pub queue_messages: u32,
    /// Unacknowledged kibibytes of all outboxes together, at most.
    pub queue_kbytes: u32,
    /// The largest record, in bytes, before compression. Not above the topics' `max.message.bytes`.
    pub message_max_bytes: u32,
}

impl ProducerOptions {
    /// The defaults.
    pub fn new(client: ClientConfig) -> Self {
        ProducerOptions {
            client,
            compression: Compression::default(),
            linger: Duration::from_millis(5),
            queue_messages: 100_000,
            queue_kbytes: 64 * 1024,
            message_max_bytes: 1024 * 1024,
        }
    }

    pub(super) fn native(&self) -> ClientConfig {
        let codec = match self.compression {
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
            Compression::None => "none",
        };
        let mut config = self.client.clone();
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            // No time-out: a record that times out leaves a gap in front of those that do not.
            .set("message.timeout.ms", "0")
            .set("partitioner", "murmur2_random")
            .set("compression.type", codec)
            .set("linger.ms", self.linger.as_millis().to_string())
            .set("queue.buffering.max.messages", self.queue_messages.to_string())
            .set("queue.buffering.max.kbytes", self.queue_kbytes.to_string())
            .set("message.max.bytes", self.message_max_bytes.to_string());
        config
    }
}
