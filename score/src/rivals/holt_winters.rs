//! Holt-Winters: additive level and hour of day, residuals in running standard deviations (Holt 1957, Winters 1960; for aberrant behaviour: Brutlag, LISA 2000).

use crate::spend::Method;

const DAY: usize = 24;
const LEVEL: f64 = 0.1;
const SEASON: f64 = 0.3;
/// Memory of the spread, in hours.
const MEMORY: f64 = 168.0;
const LEAST_SPREAD: f64 = 0.02;

/// One series' state.
#[derive(Clone, Debug, Default)]
pub struct HoltWinters {
    level: f64,
    season: [f64; DAY],
    variance: f64,
    hours: usize,
}

impl Method for HoltWinters {
    fn step(&mut self, hour: usize, spend: f64) -> f64 {
        let cell = hour % DAY;
        if self.hours == 0 {
            self.level = spend;
        }
        let expected = (self.level + self.season[cell]).max(0.0);
        let residual = spend - expected;
        let score = residual / (self.variance.sqrt() + LEAST_SPREAD * self.level.max(0.0) + 1e-9);
        // the first day fills the season
        let of_season = if self.hours < DAY { 1.0 } else { SEASON };
        self.hours += 1;
        self.level += LEVEL.max(1.0 / self.hours as f64) * (spend - self.season[cell] - self.level);
        self.season[cell] += of_season * (spend - self.level - self.season[cell]);
        self.variance += (residual * residual - self.variance) / (self.hours as f64).min(MEMORY);
        if self.hours > 6 { score } else { 0.0 }
    }
}
