//! Very sparse series: when an hour cannot be known, the day still may.
//!
//! A report that runs on Mondays at any hour has no usual hour, so every hour of it would be a surprise. Such a series is judged on its day totals, with seven
//! weekday cells. Whether a series is of that kind is asked every hour: few of its hours have spend, and those that had did not come as expected for weeks. A
//! nightly job at a fixed hour has few hours too, but they are known; it stays judged by the hour, and a moved night is seen.

use serde::{Deserialize, Serialize};

use super::hour::Hour;
use super::likeness::Likeness;
use super::memory::Memory;
use super::state::Limits;
use super::surprise::{Surprise, symbol};
use super::timing::WeekTiming;

/// Half forgotten after 14 days, in hours.
const BY_HOUR: Memory = Memory::DAYS_14;
/// Half forgotten after 14 days, in days.
const BY_DAY: Memory = Memory::DAYS_14_BY_DAY;
/// Visits that a weekday remembers.
const WEEKDAY_VISITS: u8 = 3;
/// Whole days that must be known before days are judged: two of every weekday.
const JUDGED_AFTER_D: u32 = 14;
/// A sparse series whose hours came as expected up to this share is still judged by the hour.
const KNOWN_HOURS: f64 = 0.7;

/// Whether a series is sparse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sparsity {
    /// Share of the hours with spend, half-life 7 days.
    active: f64,
    hours: u32,
    /// How much of the money came in its hour, over weeks.
    hourly: Likeness,
    sparse: bool,
}

impl Sparsity {
    pub(crate) fn close_hour(&mut self, actual: f64, expected: Option<f64>, level: f64, limits: &Limits) {
        self.hours = self.hours.saturating_add(1);
        let active = actual > 0.02 * level;
        Memory::DAYS_7.mix_from_start(&mut self.active, if active { 1.0 } else { 0.0 }, self.hours);
        if let Some(expected) = expected {
            self.hourly.close(BY_HOUR, actual, expected);
        }
        let most = limits.sparse_share * if self.sparse { 1.5 } else { 1.0 };
        self.sparse = self.active < most && self.hourly.share().is_none_or(|share| share < KNOWN_HOURS);
    }

    pub(crate) fn is_sparse(&self) -> bool {
        self.sparse
    }
}

/// Day totals of one series and what was expected of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DayCells {
    /// The day that is being added up, its hours so far, its spend.
    today: f64,
    today_h: u8,
    /// Mean day, half-life 7 days.
    level: f64,
    weekdays: [f64; 7],
    visits: [u8; 7],
    /// Recent absolute errors of the level and of the weekday cells.
    errors: [f64; 2],
    compared: [u32; 2],
    days: u32,
    likeness: Likeness,
    surprise: Surprise,
    timing: WeekTiming,
}

impl DayCells {
    /// Adds an hour; the last one of a day closes it. A day that was not seen whole is not counted.
    pub(crate) fn close_hour(&mut self, hour: Hour, actual: f64) {
        if hour.of_day() == 0 {
            self.today = 0.0;
            self.today_h = 0;
        }
        self.today += actual;
        self.today_h = self.today_h.saturating_add(1);
        if hour.of_day() == 23 && self.today_h == 24 {
            self.close_day(hour, self.today);
        }
    }

    fn close_day(&mut self, hour: Hour, actual: f64) {
        let weekday = hour.weekday();
        let expected = self.expected(weekday);
        if self.days >= 7 {
            self.likeness.close(BY_DAY, actual, expected);
            let (symbol, weight) = symbol(actual, expected, self.level);
            self.surprise.close(BY_DAY, symbol, weight);
            self.timing.close_day(hour, actual, expected, self.days >= JUDGED_AFTER_D);
        }
        let held = [(self.days > 0).then_some(self.level), (self.visits[weekday] > 0).then_some(self.weekdays[weekday])];
        for ((error, compared), held) in self.errors.iter_mut().zip(&mut self.compared).zip(held) {
            if let Some(held) = held {
                *compared = compared.saturating_add(1);
                BY_DAY.mix_from_start(error, (actual - held).abs(), *compared);
            }
        }
        self.days = self.days.saturating_add(1);
        Memory::DAYS_7_BY_DAY.mix_from_start(&mut self.level, actual, self.days);
        let visits = &mut self.visits[weekday];
        *visits = (*visits + 1).min(WEEKDAY_VISITS);
        self.weekdays[weekday] += (actual - self.weekdays[weekday]) / f64::from(*visits);
    }

    /// Level and weekday, mixed like the experts of the hours.
    fn expected(&self, weekday: usize) -> f64 {
        if self.visits[weekday] == 0 {
            return self.level;
        }
        let floor = 0.02 * self.level + 1e-12;
        let weekday_error = if self.compared[1] > 0 { self.errors[1] } else { 0.6 * self.errors[0] };
        let [level_weight, weekday_weight] = [self.errors[0], weekday_error].map(|error| {
            let squared = (error + floor) * (error + floor);
            1.0 / (squared * squared)
        });
        (level_weight * self.level + weekday_weight * self.weekdays[weekday]) / (level_weight + weekday_weight)
    }

    pub(crate) fn is_known(&self) -> bool {
        self.days >= JUDGED_AFTER_D
    }

    pub(crate) fn coherence(&self) -> Option<f64> {
        self.likeness.share()
    }

    pub(crate) fn phase(&self) -> Option<f64> {
        self.timing.phase()
    }

    pub(crate) fn entropy(&self) -> Option<f64> {
        self.surprise.entropy()
    }
}
