//! Where a period will end: expected spend with an 80 % range, the naive pace beside it, and when a budget will be exceeded.
//!
//! The expected remainder is the sum of the same expectations that the rhythm and the alerts use. The range comes from the series' own past errors at
//! comparable horizons. How often it holds: `docs/RHYTHM.md`.

mod errors;
mod period;

use serde::{Deserialize, Serialize};

pub use period::{Period, PeriodError};

use crate::rhythm::{Expectation, Hour, Outlook};
use errors::Errors;

/// Log odds of 9 to 1: the 80 % range ends there on both sides.
const NINE_TO_ONE: f64 = 2.197_224_577_336_219_6;

/// The memory of a series' forecasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecaster {
    errors: Errors,
}

/// Where a period will end. Amounts in currency units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Spent so far.
    pub spent: f64,
    /// Spend at the period's end.
    pub expected: f64,
    /// One outcome in ten ends below.
    pub low: f64,
    /// One outcome in ten ends above.
    pub high: f64,
    /// What was spent, drawn on at the mean rate so far: the naive pace.
    pub straight_line: f64,
    /// The hour in which the budget is exceeded if all comes as expected; `None` if it is not in this period.
    pub exceeded_at: Option<Hour>,
    /// The same if spend goes along the upper end of the range.
    pub exceeded_at_earliest: Option<Hour>,
    /// The remainder's distribution, for probabilities.
    remainder: Remainder,
}

/// Distribution of the spend to come: log-logistic, with a cushion on both sides of the ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Remainder {
    hours: i64,
    expected: f64,
    cushion: f64,
    /// Scale of the logistic variable, in logarithms.
    scale: f64,
}

impl Remainder {
    /// The value that is exceeded with odds of 1 to exp(`log_odds`).
    fn at(&self, log_odds: f64) -> f64 {
        if self.hours == 0 {
            return 0.0;
        }
        ((self.expected + self.cushion) * (self.scale * log_odds).exp() - self.cushion).max(0.0)
    }

    /// Probability that at least `amount` comes.
    fn at_least(&self, amount: f64) -> f64 {
        if amount <= 0.0 {
            return 1.0;
        }
        if self.hours == 0 || self.expected + self.cushion <= 0.0 {
            return 0.0;
        }
        let log_odds = ((amount + self.cushion) / (self.expected + self.cushion)).ln() / self.scale;
        1.0 / (1.0 + log_odds.exp())
    }
}

impl Forecaster {
    /// Takes in a closed hour that `expectation` has already learnt.
    pub fn close_hour(&mut self, hour: Hour, actual: f64, expectation: &Expectation) {
        self.errors.close_hour(hour, actual, expectation);
    }

    /// Projects a period to its end; `next` is the first hour that is not closed yet.
    pub fn forecast(&self, period: &Period, next: Hour, expectation: &Expectation) -> Forecast {
        let next = next.max(period.start());
        let hours = period.end().since(next).max(0);
        let outlook = expectation.outlook();
        let spread = self.errors.spread(hours, expectation);
        let expected = outlook.sum(next, period.end());
        let remainder = Remainder { hours, expected, cushion: spread.cushion, scale: spread.reach / NINE_TO_ONE };

        let spent = period.spent();
        let elapsed_h = next.since(period.start());
        let whole_h = period.end().since(period.start());
        let straight_line = if elapsed_h > 0 { spent * whole_h as f64 / elapsed_h.min(whole_h) as f64 } else { spent + expected };
        let (low, high) = (remainder.at(-NINE_TO_ONE), remainder.at(NINE_TO_ONE));
        let faster = if expected > 0.0 { high / expected } else { 1.0 };
        let [exceeded_at, exceeded_at_earliest] = exceeded_at(period, next, &outlook, [(1.0, expected), (faster, high)]);
        Forecast {
            spent,
            expected: spent + expected,
            low: spent + low,
            high: spent + high,
            straight_line,
            exceeded_at,
            exceeded_at_earliest,
            remainder,
        }
    }
}

impl Forecast {
    /// Probability, 0 to 1, that the period ends at `amount` or above.
    pub fn probability_of(&self, amount: f64) -> f64 {
        self.remainder.at_least(amount - self.spent)
    }
}

/// The hours in which the budget is reached along paths that are multiples of the expectation (factor, remainder). The hours are walked only if a path gets
/// there at all.
fn exceeded_at(period: &Period, next: Hour, outlook: &Outlook<'_>, paths: [(f64, f64); 2]) -> [Option<Hour>; 2] {
    let missing = period.budget() - period.spent();
    if missing <= 0.0 {
        // Already reached: the latest closed hour is when it is known.
        return [Some(next.plus(-1)); 2];
    }
    let mut found = [None; 2];
    if paths.iter().all(|(_, remainder)| *remainder < missing) {
        return found;
    }
    let mut expected = 0.0;
    for (ahead, coming) in (0..period.end().since(next)).zip(outlook.hours(next)) {
        let hour = next.plus(ahead);
        expected += coming;
        for (found, (factor, _)) in found.iter_mut().zip(paths) {
            if found.is_none() && factor * expected >= missing {
                *found = Some(hour);
            }
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests;
