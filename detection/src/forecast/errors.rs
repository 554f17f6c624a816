//! A series' own forecast errors, by how far ahead they looked.
//!
//! For each of eleven horizons, from an hour to four weeks, up to four forecasts are always running: what the expectation said about the sum of the hours to
//! come, and what the total was when it said so. When such a forecast is over, its error is the logarithm of actual over expected, and a mean of its size is
//! kept. Constant memory, and the range of a projection is as wide as the series has been wrong before.

use serde::{Deserialize, Serialize};

use crate::rhythm::{Expectation, Hour};

/// Hours that the forecasts look ahead.
const HORIZONS_H: [i64; HORIZONS] = [1, 2, 4, 8, 16, 24, 48, 96, 168, 336, 672];
const HORIZONS: usize = 11;
/// Forecasts running at a time, per horizon.
const RUNNING: usize = 4;
/// Before a series has shown errors of its own: the mean size of the log error an hour ahead.
const FIRST_ERROR: f64 = 0.25;
/// The size of a horizon's errors over that of the horizon below, until the series says otherwise. Longer sums average more out, until drift sets in.
const STEP: [f64; HORIZONS] = [1.0, 0.97, 0.97, 0.97, 0.97, 0.97, 0.9, 0.9, 0.9, 1.3, 1.3];
/// How many independent errors that first belief is worth.
const BELIEF: f64 = 4.0;
/// With few independent errors the range is wider: by this over one more than their number.
const FEW: f64 = 0.4;
/// No range is narrower: a perfect past is no proof.
const LEAST_REACH: f64 = 0.01;
/// Mean size of a logistic variable's distance from its middle over the distance that it exceeds once in five times: 2 ln 2 / ln 9.
const MEAN_OVER_REACH: f64 = 0.630_929_753_571_457_4;
/// How far an error that was missed or held moves the width of the range: at 0.8 held and 0.2 missed it stays (Gibbs and Candes 2021, adaptive conformal
/// inference).
const STRETCH_RATE: f64 = 0.02;
const MISSED_SHARE: f64 = 0.2;
const MOST_STRETCH: f64 = 1.0;
/// Share of the level that is added to both sides before they are compared, or an hour of nothing would be an infinite error.
const CUSHION_SHARE: f64 = 0.05;
/// Errors are forgotten so that about this many count.
const REMEMBERED: f64 = 60.0;
/// An error larger than this is counted as this: a factor of 20.
const LARGEST: f64 = 3.0;

/// A forecast that is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Running {
    /// First hour that it does not look at.
    ends: i64,
    expected: f64,
    cushion: f64,
    /// The series' total when it was made.
    total: f64,
    /// Size of the log error that should be exceeded once in five times.
    reach: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Horizon {
    running: [Option<Running>; RUNNING],
    /// Mean size of the log error.
    size: f64,
    /// Errors that count.
    seen: f64,
    /// Logarithm of the factor by which the width is corrected.
    stretch: f64,
}

/// The errors of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Errors {
    horizons: [Horizon; HORIZONS],
    total: f64,
}

/// How far from its expectation a sum of coming hours may end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    /// Size of the log error that is exceeded once in five times.
    pub(super) reach: f64,
    /// Added to both sides before they are compared, currency units.
    pub(super) cushion: f64,
}

impl Errors {
    /// Takes in a closed hour that the expectation has already learnt.
    pub(super) fn close_hour(&mut self, hour: Hour, actual: f64, expectation: &Expectation) {
        self.total += actual;
        let next = hour.plus(1);
        let outlook = expectation.outlook();
        let reaches = self.reaches();
        for ((horizon, hours), reach) in self.horizons.iter_mut().zip(HORIZONS_H).zip(reaches) {
            horizon.finish(next, self.total);
            let every_h = (hours / RUNNING as i64).max(1);
            if next.0.rem_euclid(every_h) == 0 {
                let expected = outlook.sum(next, next.plus(hours));
                let cushion = cushion(expectation, hours);
                horizon.begin(Running { ends: next.0.saturating_add(hours), expected, cushion, total: self.total, reach });
            }
        }
    }

    /// The spread of the next `hours` hours.
    pub(super) fn spread(&self, hours: i64, expectation: &Expectation) -> Spread {
        Spread { reach: between(hours, &self.reaches()), cushion: cushion(expectation, hours) }
    }

    /// By horizon; what a horizon has not seen yet is taken from the one below.
    fn reaches(&self) -> [f64; HORIZONS] {
        let mut size = FIRST_ERROR;
        let mut reaches = [0.0; HORIZONS];
        for (((reach, horizon), step), hours) in reaches.iter_mut().zip(&self.horizons).zip(STEP).zip(HORIZONS_H) {
            // Forecasts that run at the same time are not independent of each other.
            let independent = horizon.seen / hours.min(RUNNING as i64) as f64;
            size = (BELIEF * size * step + independent * horizon.size) / (BELIEF + independent);
            *reach = size / MEAN_OVER_REACH * (1.0 + FEW / (1.0 + independent)) * horizon.stretch.exp();
            *reach = reach.max(LEAST_REACH);
        }
        reaches
    }
}

impl Horizon {
    fn finish(&mut self, now: Hour, total: f64) {
        for slot in &mut self.running {
            let Some(running) = *slot else { continue };
            if running.ends > now.0 {
                continue;
            }
            *slot = None;
            // A forecast whose end was passed in a gap is not comparable.
            if running.ends == now.0 && running.cushion > 0.0 {
                let actual = total - running.total;
                let error = ((actual + running.cushion) / (running.expected + running.cushion)).ln().clamp(-LARGEST, LARGEST);
                self.seen = (self.seen + 1.0).min(REMEMBERED);
                self.size += (error.abs() - self.size) / self.seen;
                let missed = if error.abs() > running.reach { 1.0 } else { 0.0 };
                self.stretch = (self.stretch + STRETCH_RATE * (missed - MISSED_SHARE)).clamp(-MOST_STRETCH, MOST_STRETCH);
            }
        }
    }

    fn begin(&mut self, forecast: Running) {
        if let Some(free) = self.running.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(forecast);
        }
    }
}

fn cushion(expectation: &Expectation, hours: i64) -> f64 {
    CUSHION_SHARE * expectation.level() * hours as f64
}

/// The value at a horizon between two of the table, on a logarithmic scale of hours.
fn between(hours: i64, values: &[f64; HORIZONS]) -> f64 {
    let above = HORIZONS_H.partition_point(|known| *known < hours);
    match above {
        0 => values[0],
        HORIZONS => values[HORIZONS - 1],
        _ => {
            let (low, high) = (HORIZONS_H[above - 1] as f64, HORIZONS_H[above] as f64);
            let share = (hours as f64 / low).ln() / (high / low).ln();
            values[above - 1] + share * (values[above] - values[above - 1])
        }
    }
}
