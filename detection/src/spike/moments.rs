//! Running means.

use serde::{Deserialize, Serialize};

use crate::mean::moved;

/// An exponential mean that is a plain mean until its memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mean(f64);

impl Mean {
    /// Starts from this value.
    pub(super) fn of(value: f64) -> Self {
        Mean(value)
    }

    /// The mean.
    pub(super) fn get(self) -> f64 {
        self.0
    }

    /// What it would be after one more value; `rate` is the value's share.
    pub(super) fn with(self, value: f64, rate: f64) -> f64 {
        moved(self.0, value, rate)
    }

    /// Takes the value in.
    pub(super) fn learn(&mut self, value: f64, rate: f64) {
        self.0 = self.with(value, rate);
    }
}

/// Share of the newest of `points` values in a mean with this memory.
pub(super) fn rate(points: f64, memory: f64) -> f64 {
    1.0 / points.min(memory)
}
