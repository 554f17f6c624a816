//! How steady the spend is: coherence, phase, entropy and the state they make.
//!
//! One [`Rhythm`] per scope, fed with every closed hour in order. Definitions, measured results and what is weak: `docs/RHYTHM.md`.
//!
//! ```
//! use detection::rhythm::{Hour, HourSpend, Limits, Rhythm, State};
//!
//! let mut rhythm = Rhythm::default();
//! for hour in 0..96 {
//!     rhythm.close_hour(Hour(hour), HourSpend::new(5.0), &Limits::default())?;
//! }
//! let judgement = rhythm.judge(None, &Limits::default());
//! assert_eq!(judgement.state, State::Resonant);
//! # Ok::<(), detection::rhythm::HourIsClosed>(())
//! ```

mod expectation;
mod hour;
mod judgement;
mod likeness;
mod memory;
mod sparse;
mod state;
mod surprise;
mod timing;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use expectation::{Expectation, Outlook};
pub use hour::{DAY_H, Hour, HourSpend, WEEK_H};
pub use judgement::{Basis, Judgement, Phase};
pub use state::{Limits, Pending, State};
pub use surprise::Symbol;
pub use timing::circular_distance;

use likeness::{Likeness, Unprecedented};
use memory::Memory;
use sparse::{DayCells, Sparsity};
use state::{Hysteresis, Measures};
use surprise::{Episodes, Surprise, symbol};
use timing::{DayTiming, WeekTiming};

/// A day of cells before the first comparison.
const COMPARED_AFTER_H: u32 = 24;
/// Two weeks before the days of the week are compared.
const WEEKS_KNOWN_AFTER_H: u32 = 14 * 24;
/// Hours without a record that are filled in as hours without spend. More of them say nothing new: the scope is idle and its cells are forgotten.
const MOST_FILLED_H: i64 = 35 * 24;

/// An hour was given that is already closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourIsClosed {
    /// The hour given.
    pub given: Hour,
    /// The latest hour closed.
    pub closed: Hour,
}

impl fmt::Display for HourIsClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hours are closed in order: expected one after {}, found {}", self.closed.0, self.given.0)
    }
}

impl std::error::Error for HourIsClosed {}

/// What is known of one scope's rhythm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    expectation: Expectation,
    likeness: Likeness,
    unprecedented: Unprecedented,
    surprise: Surprise,
    episodes: Episodes,
    day_timing: DayTiming,
    week_timing: WeekTiming,
    sparsity: Sparsity,
    day_cells: DayCells,
    hysteresis: Hysteresis,
    /// The latest hour closed; `None` before the first spend.
    closed: Option<Hour>,
    /// Hours since the last spend.
    silent_h: u32,
    /// The latest hour: spend, and what was expected of it before it was known.
    latest: (f64, f64),
}

impl Rhythm {
    /// Takes in the spend of a closed hour. Hours between the last one and this one had no spend.
    ///
    /// # Errors
    /// If the hour is not after the last one. Nothing has changed then.
    pub fn close_hour(&mut self, hour: Hour, spend: HourSpend, limits: &Limits) -> Result<(), HourIsClosed> {
        let Some(closed) = self.closed else {
            // Nothing is learnt from a scope that has never had spend.
            if spend > HourSpend::ZERO {
                self.take(hour, spend, limits);
            }
            return Ok(());
        };
        if hour <= closed {
            return Err(HourIsClosed { given: hour, closed });
        }
        let gap_h = (hour.since(closed) - 1).min(MOST_FILLED_H);
        for back in (1..=gap_h).rev() {
            self.take(hour.plus(-back), HourSpend::ZERO, limits);
        }
        self.take(hour, spend, limits);
        Ok(())
    }

    fn take(&mut self, hour: Hour, spend: HourSpend, limits: &Limits) {
        let (actual, expected) = (spend.amount(), self.expectation.at(hour));
        let level = self.expectation.level();
        self.silent_h = if actual > 0.0 { 0 } else { self.silent_h.saturating_add(1) };
        let compared = self.expectation.hours() >= COMPARED_AFTER_H;
        if compared {
            let weighed = actual.min(expected + limits.heaviest_hour * level);
            self.likeness.close(Memory::DAYS_4, weighed, expected);
            self.unprecedented.close(Memory::DAYS_4, actual, self.expectation.largest());
            let (symbol, weight) = symbol(actual, expected, level);
            self.surprise.close(Memory::DAYS_4, symbol, weight);
            self.episodes.close_hour(symbol, (actual - expected).abs(), level);
            self.day_timing.close_hour(hour, actual, expected);
            self.week_timing.close_hour(hour, weighed, expected, self.expectation.hours() >= WEEKS_KNOWN_AFTER_H);
        }
        self.sparsity.close_hour(actual, compared.then_some(expected), level, limits);
        self.day_cells.close_hour(hour, actual);
        self.expectation.learn(hour, spend);
        self.latest = (actual, expected);
        self.closed = Some(hour);
    }

    /// The judgement of the latest closed hour; to be asked once an hour, because states are believed after some hours of saying the same.
    ///
    /// `pace` is the projected spend of the running period over its budget, if the scope has one.
    pub fn judge(&mut self, pace: Option<f64>, limits: &Limits) -> Judgement {
        let basis = if self.sparsity.is_sparse() { Basis::Days } else { Basis::Hours };
        let pace = pace.filter(|ratio| *ratio > 0.0).map(|ratio| match limits.below_budget_is_off_pace {
            true => ratio.min(1.0 / ratio),
            false => 1.0_f64.min(1.0 / ratio),
        });
        let (coherence, entropy, phase) = match basis {
            Basis::Hours => {
                let phase = Phase { day: self.day_timing.phase(), week: self.week_timing.phase(), pace };
                (self.likeness.share(), self.surprise.entropy(), phase)
            }
            Basis::Days => {
                let phase = Phase { day: None, week: self.day_cells.phase(), pace };
                (self.day_cells.coherence(), self.day_cells.entropy(), phase)
            }
        };
        let known = match basis {
            Basis::Hours => self.expectation.hours() >= limits.learning_h && phase.day.is_some(),
            Basis::Days => self.day_cells.is_known() && phase.week.is_some(),
        };
        if self.closed.is_none() || self.silent_h >= limits.idle_after_h {
            self.hysteresis.enter(State::Idle);
        } else if let (true, Some(coherence), Some(phase), Some(entropy)) = (known, coherence, phase.smallest(), entropy) {
            let episodes = (basis == Basis::Hours).then(|| self.episodes.count());
            self.hysteresis.judge(&Measures { coherence, phase, entropy, episodes, unprecedented: self.unprecedented.share() }, limits);
        } else {
            self.hysteresis.enter(State::Learning);
        }
        Judgement {
            hour: self.closed,
            state: self.hysteresis.state(),
            pending: self.hysteresis.pending(),
            basis,
            coherence,
            phase,
            entropy,
            episodes: self.episodes.count(),
            unprecedented: self.unprecedented.share(),
            actual: self.latest.0,
            expected: self.latest.1,
            level: self.expectation.level(),
            silent_h: self.silent_h,
        }
    }

    /// What the coming hours are expected to cost.
    pub fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// The latest hour closed; `None` before the first spend.
    pub fn closed(&self) -> Option<Hour> {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_the_size_that_the_documentation_says() {
        assert_eq!(size_of::<Expectation>(), 1_856);
        assert_eq!(size_of::<Rhythm>(), 2_864);
    }
}
