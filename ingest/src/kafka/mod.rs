//! Kafka, reading: a consumer group whose partitions are read in batches by their owners.
//!
//! What a process and stage uses is one [`GroupConsumer`]. It owns a thread that serves librdkafka's main queue (rebalances,
//! errors, statistics). An [`AssignmentHandler`] says from which offset an assigned partition is to be read; it then gets a
//! [`KafkaPartition`], a [`runtime::io::LogPartition`] that reads the partition's own queue in batches, on whatever thread it
//! likes.
//!
//! Limits
//! - The prefetch is bounded per partition, because every partition has a queue of its own: memory is partitions x
//!   [`ConsumerOptions::prefetch_kbytes_per_partition`].
//! - While partitions are recovered the whole group waits in its rebalance. Recovery must end well within
//!   [`ConsumerOptions::max_poll_interval`], or the group goes on without this member.
//! - The committed offset is advisory: it is written asynchronously and never waited for.

mod admin;
mod assignment;
mod connection;
pub mod embedded;
mod error;
mod fault;
mod group;
mod native_queue;
mod options;
mod partition;
mod rare_log;
mod reach;
mod rebalance;
mod slice;
mod trouble;
mod unowned;

pub use admin::{Admin, NewTopic, TopicDescription, TopicSettings};
pub use assignment::{AssignedPartition, AssignmentHandler, StartAt, TopicPartition};
pub use connection::{KafkaConnection, Sasl, SaslMechanism, Security, Tls};
pub use error::KafkaError;
pub use group::{ConsumerHandle, GroupConsumer};
pub use options::ConsumerOptions;
pub use partition::KafkaPartition;
pub use reach::Reach;
