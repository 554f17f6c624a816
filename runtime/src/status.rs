//! What a driver says of itself, for health and metrics.

use std::sync::{Arc, Mutex, PoisonError};

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverState {
    /// Folding.
    Running,
    /// Waiting for something outside, for this reason; goes on by itself.
    Waiting(String),
    /// Stopped by an error that a person must look at; the other partitions go on.
    Failed(String),
    /// Ended in order.
    Stopped,
}

/// A snapshot of a driver's condition.
#[derive(Clone, Debug)]
pub struct DriverStatus {
    /// See [`DriverState`].
    pub state: DriverState,
    /// First offset not yet folded.
    pub position: i64,
    /// Offset of the newest snapshot.
    pub snapshot_offset: Option<i64>,
    /// Messages behind the end of the log.
    pub lag: Option<u64>,
    /// Records and batches not yet acknowledged.
    pub in_flight: u64,
    /// The stage's own figures.
    pub gauges: Vec<(&'static str, f64)>,
}

/// Shared between a driver and those who report on it.
#[derive(Clone, Debug)]
pub struct StatusCell(Arc<Mutex<DriverStatus>>);

impl StatusCell {
    /// Of a driver that starts at `position`.
    pub fn new(position: i64) -> Self {
        let status =
            DriverStatus { state: DriverState::Running, position, snapshot_offset: None, lag: None, in_flight: 0, gauges: Vec::new() };
        StatusCell(Arc::new(Mutex::new(status)))
    }

    /// A copy.
    pub fn get(&self) -> DriverStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut DriverStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
