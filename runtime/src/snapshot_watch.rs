//! What the snapshots of one partition are doing, for health and metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::Timestamp;

/// A snapshot that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size with the segments written along, in bytes.
    pub bytes: u64,
    /// From the first byte sent until the store had it all.
    pub duration: Duration,
    /// When it was taken, wall-clock time.
    pub taken_at: Timestamp,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// The last one that this process has written.
    pub last: Option<Written>,
    /// Why the one under way is not written yet: the store has failed and is tried again.
    pub trouble: Option<String>,
}

/// Shows the figures to other threads; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct SnapshotWatch(Arc<Mutex<SnapshotFigures>>);

impl SnapshotWatch {
    /// The figures now.
    pub fn get(&self) -> SnapshotFigures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SnapshotFigures)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
