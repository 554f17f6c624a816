//! What the next value should be: the best so far of running level, hour of day and hour of week.

use serde::{Deserialize, Serialize};

use super::moments::{Mean, rate};

pub(super) const DAY_S: i64 = 86_400;
/// Least seconds of a cell.
const CELL_S: i64 = 3_600;
/// Memory of a cell, in visits of it (a visit may be several points).
const CELL_MEMORY: f64 = 8.0;
/// Error of a cell not yet visited, as a multiple of the level's: worse than the level, so that a cell has to earn its place.
const UNVISITED: f64 = 1.5;

/// Seconds of a cell: an hour, or a step if that is longer.
pub(super) fn cell_s(step_s: u32) -> i64 {
    i64::from(step_s).clamp(CELL_S, DAY_S)
}

/// State of the three forecasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Forecast {
    cell_s: i64,
    /// Memory of a cell, in points.
    cell_memory: f64,
    level: Mean,
    /// Squared errors of the three.
    level_error: Mean,
    day: Cells,
    week: Cells,
}

/// Means by place in a cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cells {
    mean: Vec<f64>,
    visits: Vec<u32>,
    error: Mean,
}

impl Cells {
    fn new(cells: usize) -> Self {
        Cells { mean: vec![0.0; cells], visits: vec![0; cells], error: Mean::default() }
    }

    fn place(&self, cell: i64) -> usize {
        cell.rem_euclid(self.mean.len() as i64) as usize
    }

    fn at(&self, cell: i64) -> Option<f64> {
        let place = self.place(cell);
        (self.visits[place] > 0).then(|| self.mean[place])
    }

    fn learn(&mut self, cell: i64, value: f64, off_level: f64, share: f64, memory: f64) {
        let squared = self.at(cell).map_or(UNVISITED * off_level * off_level, |mean| (value - mean) * (value - mean));
        self.error.learn(squared, share);
        let place = self.place(cell);
        self.visits[place] = self.visits[place].saturating_add(1);
        self.mean[place] += (value - self.mean[place]) * rate(f64::from(self.visits[place]), memory);
    }
}

impl Forecast {
    /// For a point every `step_s` seconds.
    pub(super) fn new(step_s: u32) -> Self {
        let cell_s = cell_s(step_s);
        let cells = (DAY_S / cell_s) as usize;
        let cell_memory = CELL_MEMORY * (cell_s as f64 / f64::from(step_s)).max(1.0);
        Forecast {
            cell_s,
            cell_memory,
            level: Mean::default(),
            level_error: Mean::default(),
            day: Cells::new(cells),
            week: Cells::new(7 * cells),
        }
    }

    /// The running level.
    pub(super) fn level(&self) -> f64 {
        self.level.get()
    }

    /// The level's mean squared error.
    pub(super) fn variance(&self) -> f64 {
        self.level_error.get()
    }

    /// Before the first value: that value.
    pub(super) fn start(&mut self, value: f64) {
        self.level = Mean::of(value);
    }

    /// The forecast with the smallest squared error.
    pub(super) fn at(&self, at_s: i64) -> f64 {
        let cell = at_s.div_euclid(self.cell_s);
        let mut best = (self.level.get(), self.level_error.get());
        for cells in [&self.day, &self.week] {
            if let Some(mean) = cells.at(cell)
                && cells.error.get() < best.1
            {
                best = (mean, cells.error.get());
            }
        }
        best.0
    }

    /// Takes the value in; `level_share` and `error_share` are its shares in the means.
    pub(super) fn learn(&mut self, at_s: i64, value: f64, level_share: f64, error_share: f64) {
        let cell = at_s.div_euclid(self.cell_s);
        let off_level = value - self.level.get();
        self.day.learn(cell, value, off_level, error_share, self.cell_memory);
        self.week.learn(cell, value, off_level, error_share, self.cell_memory);
        self.level.learn(value, level_share);
        self.level_error.learn(off_level * (value - self.level.get()), error_share);
    }
}
