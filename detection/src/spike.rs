//! Spikes: several views of the newest value, each as rare as it is among its own past, and one surprise.
//!
//! A point is looked at before anything is learnt of it. Each view is a statistic of the point (how far from the season's forecast, how far beyond the range, ...)
//! turned into -log10 of its rank among its own earlier values. So one setting means the same rarity for every series, whatever its unit or noise, and the mean of
//! the views (Fisher's combination of p-values, scaled) is one number to compare with one bar.
//!
//! What it does not do: judge a point that has not come (the caller decides when an hour is closed), know about time zones (hour of day and of week
//! are those of the seconds it is given), or weigh money ([`MoneyGate`] does, after detection).
//!
//! Determinism: plain IEEE arithmetic, `sqrt`, and one logarithm of our own (`arithmetic`); nothing from the platform's libm, so equal points give equal bits everywhere.

mod arithmetic;
mod detector;
mod episode;
mod forecast;
mod gate;
mod hours;
mod moments;
mod packed;
mod rarity;
mod setting;
mod transitions;

pub use detector::{SpikeDetector, Verdict};
pub use episode::Standing;
pub use gate::MoneyGate;

use serde::{Deserialize, Serialize};

/// What the values are; with the cadence all that a detector is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Money or usage: never negative, judged by ratios; only increases are spikes, drops have a milder rule.
    Spend,
    /// Anything else: judged by differences, both signs alike.
    Metric,
}

/// One look at a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Distance to the best of three forecasts: running level, hour of day, hour of week.
    Season,
    /// Distance beyond the largest or smallest value seen.
    Range,
    /// Difference to the value a day before.
    Yesterday,
    /// The last steps are larger or smaller than usual. Only for [`Measure::Metric`].
    Volatility,
    /// Many small surprises close together.
    Burstiness,
    /// The last points lie on one side of the forecast: ramps and new levels.
    Drift,
    /// This value after the last one: seldom seen in this order. Only for [`Measure::Spend`].
    Transition,
    /// Ratio to the largest value of this hour of day, which is slowly forgotten. Only for [`Measure::Spend`].
    Hour,
}

impl View {
    /// Its name in explanations.
    pub const fn name(self) -> &'static str {
        match self {
            View::Season => "season",
            View::Range => "range",
            View::Yesterday => "yesterday",
            View::Volatility => "volatility",
            View::Burstiness => "burstiness",
            View::Drift => "drift",
            View::Transition => "transition",
            View::Hour => "hour",
        }
    }
}

/// All views, in the order of [`Verdict::views`].
pub const VIEWS: [View; 8] =
    [View::Season, View::Range, View::Yesterday, View::Volatility, View::Burstiness, View::Drift, View::Transition, View::Hour];
