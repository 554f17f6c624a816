//! Real hourly spend with injected trouble: how much of it each method finds at one alert per series and week.
//!
//! The series are hourly spend of real clients (ServeGen), and their sum per model. Trouble of five kinds is added at seeded places. Every method gives a score per
//! hour from the same values in the same order; its threshold is the lowest at which the untouched series give at most one alert per series and week,
//! counted from the third day on. A trouble is found when an alert starts within its window that the untouched series does not have at that hour.

mod evaluation;
mod series;
mod trouble;

pub use evaluation::{BUDGET_PER_WEEK, Outcome, evaluate};
pub use series::{Spending, read};
pub use trouble::{KINDS, Kind, Trouble, troubles};

/// A method under test: told the hour (UTC hours since the first) and the spend, gives how surprising an increase is.
pub trait Method {
    /// Larger is more surprising; the scale is the method's own.
    fn step(&mut self, hour: usize, spend: f64) -> f64;
}
