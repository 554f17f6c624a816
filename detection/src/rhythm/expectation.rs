//! What the coming hours are expected to cost.
//!
//! Three experts (the level, the hour of the day, the hour of the week) are mixed by how well each has done lately. The two that remember cells are scaled by
//! a gain, so that growth is followed without waiting for every cell to be visited. 193 cells, 2,016 bytes; the same numbers serve the rhythm, the forecast and
//! the explanation of an alert.
//! Definitions: `docs/RHYTHM.md`.

use serde::{Deserialize, Serialize};

use super::hour::{Hour, HourSpend, WEEK_H};
use super::memory::Memory;

/// Visits that an hour of the day remembers.
const DAY_CELL_VISITS: u8 = 5;
/// Visits that an hour of the week remembers.
const WEEK_CELL_VISITS: u8 = 3;
/// A value is learnt as at most this many times its expectation.
const LEARNT_FACTOR: f64 = 4.0;
/// Winsorising begins when there are two days to compare with.
const WINSORISE_AFTER_H: u32 = 48;
/// A deviation that lasts this many active hours is the new normal and learnt as it is.
const NEW_REGIME_H: u8 = 6;
/// An hour is active for that count when this share of the level was expected.
const ACTIVE_SHARE: f64 = 0.3;
/// Bounds of the gain.
const GAIN: (f64, f64) = (0.33, 3.0);
/// Added to each expert's error, as a share of the level: a perfect past is no proof.
const ERROR_FLOOR_SHARE: f64 = 0.02;
/// Errors that an expert of the week must have shown before its own record alone counts.
const TRUSTED_AFTER: u32 = 24;

/// How one expert has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Expert {
    /// Recent absolute error, currency units.
    error: f64,
    /// Errors seen.
    errors: u32,
    /// Recent actual spend in the hours that the expert knew.
    actual: f64,
    /// What its cells held in those hours.
    held: f64,
}

impl Expert {
    fn gain(&self) -> f64 {
        if self.held <= 1e-12 { 1.0 } else { (self.actual / self.held).clamp(GAIN.0, GAIN.1) }
    }

    fn learn(&mut self, held: f64, scaled: f64, actual: f64) {
        self.errors = self.errors.saturating_add(1);
        Memory::DAYS_3.mix_from_start(&mut self.error, (actual - scaled).abs(), self.errors);
        Memory::HOURS_18.mix_from_start(&mut self.actual, actual, self.errors);
        Memory::HOURS_18.mix_from_start(&mut self.held, held, self.errors);
    }
}

/// The three experts of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The level expert's value: mean with a half-life of a day.
    flat: f64,
    days: [f64; 24],
    day_visits: [u8; 24],
    /// By weekday and hour.
    weeks: [[f64; 24]; 7],
    week_visits: [[u8; 24]; 7],
    /// Level, day, week.
    experts: [Expert; 3],
    /// Hours learnt.
    hours: u32,
    /// Mean spend of an hour, half-life 3 days: the yardstick for "little" and "much".
    level: f64,
    /// Active hours that the present deviation has lasted.
    deviating_h: u8,
    deviating_up: bool,
}

impl Expectation {
    /// Expected spend of the hour, in currency units; 0 before anything was learnt.
    pub fn at(&self, hour: Hour) -> f64 {
        self.outlook().at(hour)
    }

    /// Mean spend of an hour over about the last four days.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Hours learnt.
    pub fn hours(&self) -> u32 {
        self.hours
    }

    /// The mixture as it stands, to ask for many hours.
    pub fn outlook(&self) -> Outlook<'_> {
        let floor = ERROR_FLOOR_SHARE * self.level + 1e-12;
        let [flat, day, week] = &self.experts;
        let flat_error = if flat.errors > 0 { flat.error } else { self.level };
        // An expert without a record is given the benefit of a smaller error than the level's, or nothing would ever be learnt from cells.
        let unproven = 0.6 * flat.error.max(floor);
        let day_error = if day.errors > 0 { day.error } else { unproven };
        let mut week_error = if week.errors > 0 { week.error } else { unproven };
        if week.errors < TRUSTED_AFTER {
            week_error = week_error.max(0.8 * day.error);
        }
        let weight = |error: f64| {
            let squared = (error + floor) * (error + floor);
            1.0 / (squared * squared)
        };
        Outlook { expectation: self, weights: [flat_error, day_error, week_error].map(weight), gains: [1.0, day.gain(), week.gain()] }
    }

    /// Learns a closed hour. Hours are given in order, each once; those without spend too.
    pub fn learn(&mut self, hour: Hour, spend: HourSpend) {
        let outlook = self.outlook();
        let (gains, known) = (outlook.gains, outlook.known(hour));
        let expected = outlook.at(hour);
        let actual = self.winsorised(spend.amount(), expected);

        for ((expert, gain), held) in self.experts.iter_mut().zip(gains).zip(known) {
            if let Some(held) = held {
                expert.learn(held, held * gain, actual);
            }
        }
        self.hours = self.hours.saturating_add(1);
        Memory::DAYS_3.mix_from_start(&mut self.level, actual, self.hours);
        Memory::DAY_1.mix_from_start(&mut self.flat, actual, self.hours);
        let (weekday, of_day) = (hour.weekday(), hour.of_day());
        visit(&mut self.days[of_day], &mut self.day_visits[of_day], DAY_CELL_VISITS, actual);
        visit(&mut self.weeks[weekday][of_day], &mut self.week_visits[weekday][of_day], WEEK_CELL_VISITS, actual);
    }

    /// The value as it is learnt: one huge hour does not stay in the cells for weeks, a new regime is believed after some hours.
    fn winsorised(&mut self, actual: f64, expected: f64) -> f64 {
        if self.hours < WINSORISE_AFTER_H || self.level <= 0.0 {
            return actual;
        }
        let high = (expected * LEARNT_FACTOR).max(self.level * LEARNT_FACTOR * 0.5);
        let active = expected > ACTIVE_SHARE * self.level;
        let above = actual > high;
        let below = active && actual < expected / LEARNT_FACTOR;
        if above || below {
            self.deviating_h = if self.deviating_up == above { self.deviating_h.saturating_add(1) } else { 1 };
            self.deviating_up = above;
        } else if active {
            self.deviating_h = 0;
        }
        if self.deviating_h < NEW_REGIME_H { actual.min(high) } else { actual }
    }
}

/// A cell's mean over its last visits.
fn visit(cell: &mut f64, visits: &mut u8, remembered: u8, actual: f64) {
    *visits = (*visits + 1).min(remembered);
    *cell += (actual - *cell) / f64::from(*visits);
}

/// What is expected of hours to come, as of the last hour learnt.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    expectation: &'a Expectation,
    weights: [f64; 3],
    gains: [f64; 3],
}

impl Outlook<'_> {
    /// What each expert holds for the hour.
    fn known(&self, hour: Hour) -> [Option<f64>; 3] {
        let (all, weekday, of_day) = (self.expectation, hour.weekday(), hour.of_day());
        [
            (all.hours > 0).then_some(all.flat),
            (all.day_visits[of_day] > 0).then_some(all.days[of_day]),
            (all.week_visits[weekday][of_day] > 0).then_some(all.weeks[weekday][of_day]),
        ]
    }

    /// Expected spend of the hour, in currency units.
    pub fn at(&self, hour: Hour) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for ((held, weight), gain) in self.known(hour).into_iter().zip(self.weights).zip(self.gains) {
            if let Some(held) = held {
                sum += weight * held * gain;
                weights += weight;
            }
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }

    /// Expected spend of the hours from `from` up to, but not with, `to`. At most 335 hours are looked at, however long the span: weeks are alike.
    pub fn sum(&self, from: Hour, to: Hour) -> f64 {
        let hours = to.since(from).max(0);
        let (weeks, rest) = (hours / WEEK_H, hours % WEEK_H);
        let part: f64 = (0..rest).map(|ahead| self.at(from.plus(ahead))).sum();
        if weeks == 0 {
            return part;
        }
        part + weeks as f64 * (0..WEEK_H).map(|ahead| self.at(from.plus(ahead))).sum::<f64>()
    }
}
