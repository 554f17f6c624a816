//! Why a monitor cannot go on.

use schemas::Timestamp;
use schemas::partial::BlockError;

/// A record cannot be taken. Nothing of the monitor may be used after that but [`super::Monitor::gauges`]: the partition stops, and starts
/// again from its snapshot once the cause is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// Data, or a newer program's block.
    #[error(
        "partials record at offset {offset} of partition {shard} is unreadable: {source}. Leaving it out would lose spend: run a program that reads it, \
         or, if it was never written by a meter, keep other producers off the topic and move the stage past it as docs/OPERATIONS.md says"
    )]
    Block {
        /// Partition of the partials topic.
        shard: i32,
        /// The record's.
        offset: i64,
        /// What is wrong with it.
        source: BlockError,
    },
    /// Data: two meters with different rules or logs have written to one topic.
    #[error(
        "partials record at offset {offset}: the cell of set {set}, bucket {bucket_start}, generation {generation} of {input} went down. Two meters with \
         different rules (price book, rates, sets) wrote to this topic without an orderly stop between them: stop all, and start those with the old rules first"
    )]
    NotLater {
        /// The record's.
        offset: i64,
        /// Topic and partition that the cell is of.
        input: String,
        /// Name of the grouping set.
        set: String,
        /// The cell's window.
        bucket_start: Timestamp,
        /// The cell's generation.
        generation: i64,
    },
    /// Data: more than 10^20 of something.
    #[error(
        "partials record at offset {offset}: a sum of {what} does not fit 128 bits at scale 18: no real spend does this, look for a wrong amount or rate"
    )]
    Overflow {
        /// The record's.
        offset: i64,
        /// What was summed up.
        what: String,
    },
    /// Configuration: the state is full.
    #[error(
        "the monitor holds {held} {what}, its limit ({key}): raise the limit, add partitions to the partials topic, or shorten windows.retain"
    )]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        held: usize,
        /// The configuration's key.
        key: &'static str,
    },
    /// A bug of the caller; the monitor is unchanged.
    #[error("partials record at offset {found} came after offset {expected} was due: records must be given in order, once")]
    OutOfOrder {
        /// The next one expected, or later.
        expected: i64,
        /// The one given.
        found: i64,
    },
    /// A bug of the caller.
    #[error("the monitor has failed before and must be restored from its snapshot")]
    Failed,
}
