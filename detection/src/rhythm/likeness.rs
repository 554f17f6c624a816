//! Coherence: the share of the money that came as expected.

use serde::{Deserialize, Serialize};

use super::memory::Memory;

/// Remembered sums of what was in both and what was in either (Ruzicka similarity). Money weighs: a cent that is off at night is off by a cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Likeness {
    both: f64,
    either: f64,
}

impl Likeness {
    pub(crate) fn close(&mut self, memory: Memory, actual: f64, expected: f64) {
        self.both = memory.keep() * self.both + memory.share() * actual.min(expected);
        self.either = memory.keep() * self.either + memory.share() * actual.max(expected);
    }

    /// 0 to 1; `None` when there was no money to compare.
    pub(crate) fn share(&self) -> Option<f64> {
        (self.either > 0.0).then(|| self.both / self.either)
    }
}
