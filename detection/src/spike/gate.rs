//! What is worth telling: money decides after detection, never within it.

use serde::{Deserialize, Serialize};

/// Least impact of a spike, in the unit of the values. Both must be met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoneyGate {
    /// Least amount above (or, of a drop, below) the expected.
    pub absolute: f64,
    /// Least share of the expected that this amount is.
    pub relative: f64,
}

impl MoneyGate {
    /// Everything passes.
    pub const OPEN: MoneyGate = MoneyGate { absolute: 0.0, relative: 0.0 };

    /// Is the difference worth telling?
    pub fn passes(&self, value: f64, expected: f64) -> bool {
        let impact = (value - expected).abs();
        impact >= self.absolute && impact >= self.relative * expected.abs()
    }

    /// The smallest value above the expected that passes.
    pub fn least(&self, expected: f64) -> f64 {
        expected + self.absolute.max(self.relative * expected.abs())
    }
}
