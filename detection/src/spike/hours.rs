//! The largest value of each hour of day, slowly forgotten: a usual evening is no excuse for as much at night, and one dear night excuses the next.

use serde::{Deserialize, Serialize};

use super::forecast::{DAY_S, cell_s};
use super::rarity::Rarity;

/// Share of an hour's largest value that is left a day later.
const LEFT_A_DAY: f64 = 0.8;

/// One series' hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hours {
    cell_s: i64,
    /// Share of the largest that a point leaves.
    left: f64,
    /// By hour of day; `None` until there was one.
    largest: Vec<Option<f64>>,
    /// How far values were beyond it.
    pub(super) past: Rarity,
}

impl Hours {
    /// For a point every `step_s` seconds.
    pub(super) fn new(step_s: u32) -> Self {
        let cell_s = cell_s(step_s);
        let points = (cell_s as f64 / f64::from(step_s)).max(1.0);
        Hours { cell_s, left: 1.0 - (1.0 - LEFT_A_DAY) / points, largest: vec![None; (DAY_S / cell_s) as usize], past: Rarity::default() }
    }

    /// The largest of this time's hour of day on earlier days.
    pub(super) fn largest(&self, at_s: i64) -> Option<f64> {
        self.largest[self.place(at_s)]
    }

    /// Takes the value in.
    pub(super) fn learn(&mut self, at_s: i64, value: f64) {
        let place = self.place(at_s);
        let before = self.largest[place].map_or(value, |largest| largest * self.left);
        self.largest[place] = Some(before.max(value));
    }

    fn place(&self, at_s: i64) -> usize {
        at_s.div_euclid(self.cell_s).rem_euclid(self.largest.len() as i64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_of_day_has_its_own_largest_and_forgets_it() {
        let mut hours = Hours::new(3_600);
        hours.learn(7_200, 10.0);
        hours.learn(10_800, 3.0);
        assert_eq!((hours.largest(7_200 + DAY_S), hours.largest(10_800), hours.largest(0)), (Some(10.0), Some(3.0), None));
        hours.learn(7_200 + DAY_S, 1.0);
        assert_eq!(hours.largest(7_200), Some(8.0));
    }

    #[test]
    fn points_within_an_hour_forget_no_faster_than_hours() {
        let mut hours = Hours::new(300);
        hours.learn(0, 10.0);
        (0..12).for_each(|point| hours.learn(DAY_S + point * 300, 0.0));
        let left = hours.largest(0).unwrap_or_default();
        assert!((left - 8.0).abs() < 0.3, "{left}");
    }
}
