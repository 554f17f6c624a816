//! What the coming hours are expected to cost.
//!
//! Three experts (the level, the hour of the day, the hour of the week) are mixed by how well each has done lately. The two that remember cells are scaled by
//! a gain, so that growth is followed without waiting for every cell to be visited. 193 cells, 1,856 bytes; the same numbers serve the rhythm, the forecast and
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
/// The gain of an hour to come is drawn towards 1 with a half-life of 48 hours: what was unusual lately is not unusual for the rest of a month.
const GAIN_KEPT_AN_HOUR: f64 = 0.985_663_198_640_187_6;
/// The same over a week.
const GAIN_KEPT_A_WEEK: f64 = 0.088_388_347_648_318_45;
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
    /// The first hour not learnt.
    next: i64,
    /// Mean spend of an hour, half-life 3 days: the yardstick for "little" and "much".
    level: f64,
    /// Active hours that the present deviation has lasted.
    deviating_h: u8,
    deviating_up: bool,
}

impl Expectation {
    /// Expected spend of an hour to come, in currency units; 0 before anything was learnt.
    pub fn at(&self, hour: Hour) -> f64 {
        self.outlook().at(hour)
    }

    /// Mean spend of an hour over about the last four days.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// The largest hour that any cell holds: what the series is known to cost at its most.
    pub fn largest(&self) -> f64 {
        self.days.iter().chain(self.weeks.as_flattened()).fold(0.0, |largest, cell| cell.max(largest))
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
        let weights = [flat_error, day_error, week_error].map(weight);
        let shares = [(false, false), (true, false), (false, true), (true, true)].map(|(day_known, week_known)| {
            let [flat, day, week] = weights;
            let known = [flat, if day_known { day } else { 0.0 }, if week_known { week } else { 0.0 }];
            let sum: f64 = known.iter().sum();
            known.map(|weight| weight / sum)
        });
        Outlook { expectation: self, shares, gains: [1.0, day.gain(), week.gain()] }
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
        self.next = hour.0.saturating_add(1);
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
    /// The experts' weights, summing to 1, by which cells are known: neither, the day's, the week's, both.
    shares: [[f64; 3]; 4],
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

    /// The experts' mixture for a place in the week: its cells as they are (gain 1), and scaled by the gains. A cell never visited holds nothing and has no
    /// weight.
    fn mixed(&self, of_week: usize) -> (f64, f64) {
        let (all, weekday, of_day) = (self.expectation, of_week / 24, of_week % 24);
        let (day_known, week_known) = (all.day_visits[of_day] > 0, all.week_visits[weekday][of_day] > 0);
        let shares = self.shares[usize::from(day_known) + 2 * usize::from(week_known)];
        let parts = [shares[0] * all.flat, shares[1] * all.days[of_day], shares[2] * all.weeks[weekday][of_day]];
        (parts[0] + parts[1] + parts[2], parts[0] * self.gains[0] + parts[1] * self.gains[1] + parts[2] * self.gains[2])
    }

    /// Expected spend of an hour to come, in currency units.
    pub fn at(&self, hour: Hour) -> f64 {
        let (plain, scaled) = self.mixed(hour.of_week());
        let kept = self.kept(hour);
        kept * scaled + (1.0 - kept) * plain
    }

    /// The hours from `from` on, without end.
    pub fn hours(&self, from: Hour) -> impl Iterator<Item = f64> {
        let (mut of_week, mut kept) = (from.of_week(), self.kept(from));
        std::iter::repeat_with(move || {
            let (plain, scaled) = self.mixed(of_week);
            let expected = kept * scaled + (1.0 - kept) * plain;
            of_week = if of_week + 1 == WEEK_H as usize { 0 } else { of_week + 1 };
            kept *= GAIN_KEPT_AN_HOUR;
            expected
        })
    }

    /// How much of the gain is left at the hour. Whole powers by multiplication: the same bits everywhere.
    fn kept(&self, hour: Hour) -> f64 {
        let ahead = hour.0.saturating_sub(self.expectation.next).max(0);
        power(GAIN_KEPT_A_WEEK, ahead / WEEK_H) * power(GAIN_KEPT_AN_HOUR, ahead % WEEK_H)
    }

    /// Expected spend of the hours from `from` up to, but not with, `to`. At most 168 hours are looked at, however long the span: the cells of two weeks are
    /// alike, and what the gain adds to them shrinks by the same factor from week to week.
    pub fn sum(&self, from: Hour, to: Hour) -> f64 {
        let hours = to.since(from).max(0);
        let (weeks, rest) = (hours / WEEK_H, hours % WEEK_H);
        let left = power(GAIN_KEPT_A_WEEK, weeks);
        let all_weeks = (1.0 - left) / (1.0 - GAIN_KEPT_A_WEEK);
        let (mut of_week, mut kept) = (from.of_week(), self.kept(from));
        let mut sum = 0.0;
        for ahead in 0..hours.min(WEEK_H) {
            let (plain, scaled) = self.mixed(of_week);
            of_week = if of_week + 1 == WEEK_H as usize { 0 } else { of_week + 1 };
            let in_rest = ahead < rest;
            let visits = if in_rest { weeks + 1 } else { weeks };
            let gains = if in_rest { all_weeks + left } else { all_weeks };
            sum += plain * visits as f64 + (scaled - plain) * kept * gains;
            kept *= GAIN_KEPT_AN_HOUR;
        }
        sum
    }
}

fn power(base: f64, exponent: i64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left % 2 == 1 {
            result *= square;
        }
        square *= square;
        left /= 2;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(hours: i64, spend: impl Fn(i64) -> f64) -> Expectation {
        let mut expectation = Expectation::default();
        for hour in 0..hours {
            expectation.learn(Hour(hour), HourSpend::new(spend(hour)));
        }
        expectation
    }

    #[test]
    fn a_sum_is_the_sum_of_its_hours_however_long() {
        let growing = learnt(700, |hour| (1 + hour % 24) as f64 * (1.0 + hour as f64 / 100.0));
        let outlook = growing.outlook();
        for (from, to) in [(700, 700), (700, 701), (705, 900), (700, 868), (700, 1444), (720, 2000), (900, 800)] {
            let hours: f64 = (from..to).map(|hour| outlook.at(Hour(hour))).sum();
            let sum = outlook.sum(Hour(from), Hour(to));
            assert!((sum - hours).abs() <= 1e-9 * hours.max(1.0), "{from}..{to}: {sum} {hours}");
            let walked: f64 = outlook.hours(Hour(from)).take((to - from).max(0) as usize).sum();
            assert!((walked - hours).abs() <= 1e-9 * hours.max(1.0), "{from}..{to}: {walked} {hours}");
        }
    }

    #[test]
    fn the_gain_is_kept_as_its_half_life_says() {
        assert!((GAIN_KEPT_AN_HOUR.powi(48) - 0.5).abs() < 1e-12);
        assert!((GAIN_KEPT_AN_HOUR.powi(168) - GAIN_KEPT_A_WEEK).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_expected_before_anything_was_learnt() {
        assert!(Expectation::default().at(Hour(5)).abs() < f64::EPSILON);
    }

    #[test]
    fn one_huge_hour_does_not_stay_in_the_cells() {
        let spiked = learnt(24 * 14, |hour| if hour == 24 * 13 + 3 { 5000.0 } else { 5.0 });
        assert!(spiked.at(Hour(24 * 14 + 3)) < 10.0, "{}", spiked.at(Hour(24 * 14 + 3)));
    }

    #[test]
    fn a_new_regime_is_believed_after_hours_not_weeks() {
        let grown = learnt(24 * 16, |hour| if hour >= 24 * 14 { 50.0 } else { 5.0 });
        let expected = grown.at(Hour(24 * 16));
        assert!((40.0..=60.0).contains(&expected), "{expected}");
    }
}
