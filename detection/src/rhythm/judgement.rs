//! A judgement with everything that it was made of.

use serde::{Deserialize, Serialize};

use super::hour::Hour;
use super::state::{Pending, State};

/// What a series was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Its hours.
    Hours,
    /// Its day totals: too few hours have spend, and they cannot be known.
    Days,
}

/// The parts of the phase, each 0 to 1. A part that does not apply (yet) is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Is the money at its time of the day?
    pub day: Option<f64>,
    /// Is it at its day of the week?
    pub week: Option<f64>,
    /// Is it on the budget's pace? 1 is exactly on it; half and double of it are 0.5.
    pub pace: Option<f64>,
}

impl Phase {
    /// The phase: the smallest of the parts.
    pub fn smallest(&self) -> Option<f64> {
        [self.day, self.week, self.pace].into_iter().flatten().reduce(f64::min)
    }
}

/// The rhythm of a scope after an hour, with every component.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The hour judged; `None` if nothing was ever spent.
    pub hour: Option<Hour>,
    /// The state after hysteresis.
    pub state: State,
    /// A state that is being said, but is not believed yet.
    pub pending: Option<Pending>,
    /// Judged by hours or by days.
    pub basis: Basis,
    /// Share of the money that came as expected, 0 to 1.
    pub coherence: Option<f64>,
    /// Time of the day and week, pace.
    pub phase: Phase,
    /// How unpredictable the deviations are, 0 to 1.
    pub entropy: Option<f64>,
    /// Separate deviations of weight, half-life 4 days.
    pub episodes: f64,
    /// Share of the money, half-life 4 days, that came in hours beyond all known sizes.
    pub unprecedented: f64,
    /// Spend of the hour, currency units.
    pub actual: f64,
    /// What was expected of it before it was known.
    pub expected: f64,
    /// Mean spend of an hour lately.
    pub level: f64,
    /// Hours since the last spend.
    pub silent_h: u32,
}
