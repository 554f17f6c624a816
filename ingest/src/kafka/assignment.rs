//! What the group's owner of partitions is asked and told.

use std::{fmt, sync::Arc};

use super::{KafkaError, KafkaPartition};

/// A partition's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A partition that the group has just given to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedPartition {
    /// Which one.
    pub name: TopicPartition,
    /// The group's committed offset (advisory).
    pub committed: Option<i64>,
    /// The first offset that the log still has.
    pub log_start: i64,
    /// The offset after the last one that may be read (the last stable offset).
    pub log_end: i64,
}

/// From where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// From exactly this offset. If the log does not have it, reading fails; it is never moved silently.
    Offset(i64),
    /// Not at all: the partition stays with this member of the group, but is neither fetched nor counted (a human has to act).
    Refused,
}

/// Owner of the partitions of one consumer. All calls come while the group waits in a rebalance.
pub trait AssignmentHandler: Send + Sync + 'static {
    /// Recovers the partition's state and says where to read on. May take seconds; called for several partitions at the same
    /// time, from several threads.
    fn assigned(&self, partition: &AssignedPartition) -> StartAt;

    /// The partition is now assigned and its log may be read. Must return at once.
    fn start(&self, log: KafkaPartition);

    /// These partitions are being taken away. With `lost` they may belong to somebody else already and their logs yield
    /// [`runtime::io::IoError::Lost`] before this is called; otherwise they are still ours and may be finished in an orderly way
    /// (stop the drivers, snapshot, commit), all of them within *one* deadline kept by the handler, because the group waits;
    /// afterwards their logs yield `Lost`. Refused partitions are named too.
    fn revoked(&self, partitions: &[TopicPartition], lost: bool);

    /// The consumer as a whole is in trouble; [`KafkaError::needs_another_client`] says whether it mends itself.
    fn failed(&self, error: &KafkaError);
}
