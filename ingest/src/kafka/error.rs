//! What can go wrong between us and Kafka, apart from reading a partition (see `fault`).

use std::time::Duration;

/// An error of the Kafka client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// Configuration: a key that may not be set, or a value that librdkafka refuses.
    #[error("kafka setting {key}: {reason}")]
    Setting {
        /// The librdkafka key.
        key: String,
        /// What was expected, what was found.
        reason: String,
    },
    /// The client could not be made from its configuration.
    #[error("cannot create a kafka client: {0}")]
    Client(#[source] rdkafka::error::KafkaError),
    /// The thread that serves the client could not be started, or is gone.
    #[error("kafka thread: {0}")]
    Thread(String),
    /// The subscription was refused.
    #[error("cannot subscribe to {topics}: {reason}")]
    Subscribe {
        /// The topics, comma-separated.
        topics: String,
        /// The client's words.
        reason: String,
    },
    /// Committed offset or ends of the log could not be found out within the recovery timeout. The partition is not read.
    #[error("cannot look up where {topic}[{partition}] stands within {timeout:?}: {reason}")]
    Lookup {
        /// Which topic.
        topic: String,
        /// Which partition.
        partition: i32,
        /// How long it was tried.
        timeout: Duration,
        /// The last error.
        reason: String,
    },
    /// The group's coordinator refused the assignment that was to be made.
    #[error("cannot take over assigned partitions: {0}")]
    Assign(String),
    /// The client is broken for good (fenced instance, fatal protocol error): close it and start another one.
    #[error("kafka client has failed: {0}")]
    Fatal(String),
    /// Something went wrong that the client goes on trying to mend (a broker is away, authentication fails).
    #[error("kafka: {0}")]
    Transient(String),
    /// The consumer did not leave its group in time; it goes on trying in the background.
    #[error("kafka consumer did not close within {0:?}")]
    CloseTimeout(Duration),
    /// A request about a topic failed.
    #[error("topic {topic}: {reason}")]
    Topic {
        /// Which topic.
        topic: String,
        /// What was expected, what was found.
        reason: String,
    },
    /// The brokers do not take this user and password.
    #[error("the kafka brokers refuse user and password: {0}")]
    Authentication(String),
    /// A broker's certificate is not trusted, or there is no TLS where it is expected.
    #[error("no TLS connection to the kafka brokers: {0}")]
    Untrusted(String),
    /// The cluster did not answer in time.
    #[error("no answer from the kafka cluster within {timeout:?}: check brokers, network and security settings{}", last_words(.reason.as_deref()))]
    NoAnswer {
        /// How long it was waited for.
        timeout: Duration,
        /// The client's last error, if it had one.
        reason: Option<String>,
    },
}

impl KafkaError {
    /// Are partitions left unread, or is nothing read at all, until another client takes this one's place?
    #[must_use]
    pub fn needs_another_client(&self) -> bool {
        matches!(self, KafkaError::Fatal(_) | KafkaError::Lookup { .. } | KafkaError::Assign(_))
    }
}

fn last_words(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" (last error: {reason})"))
}
