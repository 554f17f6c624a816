//! What the meter's result depends on beside the log.

use schemas::GroupingSet;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};

/// The meter's rules. Two meters with equal rules make the same of the same log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterRules {
    /// By what cells are kept.
    pub sets: Vec<GroupingSet>,
    /// A bucket is closed when the watermark is this far beyond its end, in microseconds.
    pub lateness_us: i64,
    /// A bucket is sealed when the watermark is this far beyond its end, in microseconds.
    pub retain_us: i64,
    /// An event older than the watermark by more than this is late, in microseconds. Also how long identities count.
    pub horizon_us: i64,
    /// An event later than its record's timestamp by more than this is rejected, in microseconds.
    pub future_us: i64,
    /// Most cells in memory; beyond, the oldest buckets are sealed early.
    pub max_cells: usize,
    /// Most identities within the horizon; beyond, the partition stops.
    pub max_identities: usize,
}

impl MeterRules {
    /// The defaults with these sets.
    pub fn new(sets: Vec<GroupingSet>) -> Self {
        MeterRules {
            sets,
            lateness_us: MINUTE_US,
            retain_us: HOUR_US,
            horizon_us: 35 * DAY_US,
            future_us: 5 * MINUTE_US,
            max_cells: 4_000_000,
            max_identities: 400_000_000,
        }
    }
}

/// Where a meter stands: its input partition and the topics around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterPlace {
    /// Input topic.
    pub topic: String,
    /// Input partition.
    pub partition: i32,
    /// Partitions of the input topic.
    pub inputs: i32,
    /// Partitions of the partials topic.
    pub shards: i32,
}
