//! Projections at every hour of every period of a series, beside what the periods came to.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

use detection::forecast::{Forecast, Forecaster, Period};
use detection::rhythm::{Hour, HourSpend, Limits, Rhythm};

/// A projection and what came of it.
pub(crate) struct Outcome {
    pub(crate) forecast: Forecast,
    /// Spend of the whole period.
    pub(crate) total: f64,
    /// Hours that were still to come.
    pub(crate) remaining_h: i64,
    /// Spend of as many hours before the period, 0 if there are none: what people set budgets by.
    pub(crate) before: f64,
}

/// Projects to the ends of `periods` (first hour, first hour after) at each of their hours from `from` on. `budget` is a multiple of the outcome.
pub(crate) fn outcomes(series: &[f64], periods: &[(i64, i64)], from: i64, budget: f64) -> Vec<Outcome> {
    let mut rhythm = Rhythm::default();
    let mut forecaster = Forecaster::default();
    let mut outcomes = Vec::new();
    let limits = Limits::default();
    for (hour, amount) in (0..).zip(series) {
        rhythm.close_hour(Hour(hour), HourSpend::new(*amount), &limits).expect("in order");
        if rhythm.closed().is_none() {
            continue;
        }
        forecaster.close_hour(Hour(hour), *amount, rhythm.expectation());
        let next = hour + 1;
        let Some(&(start, end)) = periods.iter().find(|(start, end)| (*start..*end).contains(&hour)) else { continue };
        if next >= end || hour < from || end > series.len() as i64 {
            continue;
        }
        let sum = |from: i64, to: i64| series[from as usize..to as usize].iter().sum::<f64>();
        let total = sum(start, end);
        let before = if 2 * start >= end { sum(2 * start - end, start) } else { 0.0 };
        let Ok(period) = Period::new(Hour(start), Hour(end), sum(start, next), total * budget) else { continue };
        outcomes.push(Outcome {
            forecast: forecaster.forecast(&period, Hour(next), rhythm.expectation()),
            total,
            remaining_h: end - next,
            before,
        });
    }
    outcomes
}

pub(crate) fn days(hours: usize) -> Vec<(i64, i64)> {
    periods_of(hours, 24)
}

pub(crate) fn weeks(hours: usize) -> Vec<(i64, i64)> {
    periods_of(hours, 168)
}

fn periods_of(hours: usize, length: i64) -> Vec<(i64, i64)> {
    (0..hours as i64 / length).map(|at| (at * length, (at + 1) * length)).collect()
}

/// The months of the taxi series: July 2014 to January 2015.
pub(crate) fn taxi_months() -> Vec<(i64, i64)> {
    let mut start = 0;
    [31, 31, 30, 31, 30, 31, 31]
        .into_iter()
        .map(|days| {
            let month = (start, start + days * 24);
            start = month.1;
            month
        })
        .collect()
}
