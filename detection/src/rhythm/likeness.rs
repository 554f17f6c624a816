//! Coherence: the share of the money that came as expected.

use serde::{Deserialize, Serialize};

use super::memory::Memory;

/// Remembered sums of what was in both and what was in either (Ruzicka similarity). Money weighs: a cent that is off at night is off by a cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Likeness {
    both: f64,
    either: f64,
}

/// Money that is more than the series was ever known to cost in an hour, half again as much as its largest cell. A moved job costs what it always did; a
/// runaway does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unprecedented {
    beyond: f64,
    spend: f64,
}

/// Up to this multiple of the largest cell an hour is of a known size.
const KNOWN_SIZE: f64 = 1.5;

impl Unprecedented {
    pub(crate) fn close(&mut self, memory: Memory, actual: f64, largest: f64) {
        self.beyond = memory.keep() * self.beyond + memory.share() * (actual - KNOWN_SIZE * largest).max(0.0);
        self.spend = memory.keep() * self.spend + memory.share() * actual;
    }

    /// Its share of all money, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        if self.spend > 0.0 { self.beyond / self.spend } else { 0.0 }
    }
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
