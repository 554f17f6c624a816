//! Phase: does the money come at its usual time of the day and of the week?
//!
//! Both are asked with the same measure: how far, on average, a dollar would have to be moved on the clock (or on the week's circle) to make what came look
//! like what was expected. Circular Wasserstein-1 distance; on a circle it is the mean absolute deviation of the cumulated differences from their median
//! (Rabin, Delon, Gousseau 2011, "Transportation distances on the circle").

use serde::{Deserialize, Serialize};

use super::hour::Hour;
use super::memory::Memory;

/// A day's money that is off by 6 hours on average has phase 0; random times are off by that much.
const DAY_OFF_H: f64 = 6.0;
/// The same for the days of a week.
const WEEK_OFF_D: f64 = 1.75;

/// Circular Wasserstein-1 distance of two amounts spread over `N` equal cells of a circle, in cells. `None` if either is empty.
pub fn circular_distance<const N: usize>(actual: &[f64; N], expected: &[f64; N]) -> Option<f64> {
    let (actual_sum, expected_sum) = (actual.iter().sum::<f64>(), expected.iter().sum::<f64>());
    if !(actual_sum > 0.0 && expected_sum > 0.0) {
        return None;
    }
    let mut ahead = [0.0; N];
    let mut total = 0.0;
    for (cell, (came, due)) in ahead.iter_mut().zip(actual.iter().zip(expected)) {
        total += came / actual_sum - due / expected_sum;
        *cell = total;
    }
    let mut sorted = ahead;
    sorted.sort_unstable_by(f64::total_cmp);
    let median = if N % 2 == 1 { sorted[N / 2] } else { 0.5 * (sorted[N / 2 - 1] + sorted[N / 2]) };
    Some(ahead.iter().map(|cell| (cell - median).abs()).sum())
}

/// A smoothed phase: the first value as it is, then a memory.
fn smooth(phase: &mut Option<f64>, memory: Memory, newest: f64) {
    match phase {
        Some(phase) => memory.mix(phase, newest),
        None => *phase = Some(newest),
    }
}

/// The last 24 hours against what was expected of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DayTiming {
    actual: [f64; 24],
    expected: [f64; 24],
    hours: u8,
    phase: Option<f64>,
}

impl DayTiming {
    pub(crate) fn close_hour(&mut self, hour: Hour, actual: f64, expected: f64) {
        self.actual[hour.of_day()] = actual;
        self.expected[hour.of_day()] = expected;
        self.hours = (self.hours + 1).min(24);
        if self.hours == 24
            && let Some(distance_h) = circular_distance(&self.actual, &self.expected)
        {
            smooth(&mut self.phase, Memory::HOURS_36, (1.0 - distance_h / DAY_OFF_H).max(0.0));
        }
    }

    /// 0 to 1; `None` until a whole day could be compared.
    pub(crate) fn phase(&self) -> Option<f64> {
        self.phase
    }
}

/// The last seven day totals against what was expected of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WeekTiming {
    actual: [f64; 7],
    expected: [f64; 7],
    day: Option<i64>,
    phase: Option<f64>,
}

impl WeekTiming {
    /// Adds an hour to its day; `judged` says whether the series is old enough to know its weeks.
    pub(crate) fn close_hour(&mut self, hour: Hour, actual: f64, expected: f64, judged: bool) {
        let weekday = hour.weekday();
        if self.day != Some(hour.day()) {
            self.actual[weekday] = 0.0;
            self.expected[weekday] = 0.0;
            self.day = Some(hour.day());
        }
        self.actual[weekday] += actual;
        self.expected[weekday] += expected;
        if judged {
            self.compare(Memory::HOURS_36);
        }
    }

    /// Takes a whole day at once.
    pub(crate) fn close_day(&mut self, hour: Hour, actual: f64, expected: f64, judged: bool) {
        let weekday = hour.weekday();
        self.actual[weekday] = actual;
        self.expected[weekday] = expected;
        self.day = Some(hour.day());
        if judged {
            self.compare(Memory::HOURS_36_BY_DAY);
        }
    }

    fn compare(&mut self, memory: Memory) {
        if let Some(distance_d) = circular_distance(&self.actual, &self.expected) {
            smooth(&mut self.phase, memory, (1.0 - distance_d / WEEK_OFF_D).max(0.0));
        }
    }

    /// 0 to 1; `None` in the first two weeks.
    pub(crate) fn phase(&self) -> Option<f64> {
        self.phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_moved_over_midnight_has_moved_by_the_short_way() {
        let mut late = [0.0; 24];
        late[23] = 5.0;
        let mut early = [0.0; 24];
        early[2] = 50.0;
        let distance = circular_distance(&late, &early).expect("both have money");
        assert!((distance - 3.0).abs() < 1e-12, "{distance}");
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        assert_eq!(circular_distance(&[0.0; 7], &[1.0; 7]), None);
        assert_eq!(circular_distance(&[1.0; 7], &[0.0; 7]), None);
    }
}
