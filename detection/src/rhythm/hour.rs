//! Hours as numbers, and what an hour's spend may be.

use serde::{Deserialize, Serialize};

/// Hours in a day.
pub const DAY_H: i64 = 24;
/// Hours in a week.
pub const WEEK_H: i64 = 168;

/// An hour, counted from the epoch in the time that people live by (UTC or local: the caller decides, and keeps to it).
///
/// Weeks begin where hour 0 stood. Which weekday that was does not matter: cells are only compared with themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hour(pub i64);

impl Hour {
    /// Place in the day, 0 to 23.
    pub fn of_day(self) -> usize {
        self.0.rem_euclid(DAY_H) as usize
    }

    /// Day of the week, 0 to 6, counted from the weekday of hour 0.
    pub fn weekday(self) -> usize {
        self.0.div_euclid(DAY_H).rem_euclid(7) as usize
    }

    /// Place in the week, 0 to 167.
    pub fn of_week(self) -> usize {
        self.0.rem_euclid(WEEK_H) as usize
    }

    /// Days since the epoch.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_H)
    }

    /// The hour `hours` later.
    pub fn plus(self, hours: i64) -> Hour {
        Hour(self.0.saturating_add(hours))
    }

    /// Hours from `earlier` to this one; negative if this one is first.
    pub fn since(self, earlier: Hour) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Spend of one hour in a currency unit: finite and not negative.
///
/// A correction can make an hour's sum negative, and an overflow upstream could make it no number at all. Neither says anything about the rhythm, so both are
/// read as an hour without spend.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct HourSpend(f64);

impl HourSpend {
    /// An hour without spend.
    pub const ZERO: HourSpend = HourSpend(0.0);

    /// From an amount in a currency unit.
    pub fn new(amount: f64) -> HourSpend {
        if amount.is_finite() && amount > 0.0 { HourSpend(amount) } else { HourSpend::ZERO }
    }

    /// The amount in a currency unit.
    pub fn amount(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_before_the_epoch_have_a_place_in_the_week_too() {
        assert_eq!((Hour(-1).of_day(), Hour(-1).weekday(), Hour(-1).day()), (23, 6, -1));
        assert_eq!((Hour(24).of_day(), Hour(24).weekday(), Hour(24).day()), (0, 1, 1));
    }

    #[test]
    fn corrections_and_no_numbers_are_read_as_no_spend() {
        for amount in [-1.0, f64::NAN, f64::INFINITY, 0.0] {
            assert_eq!(HourSpend::new(amount), HourSpend::ZERO);
        }
        assert!((HourSpend::new(2.5).amount() - 2.5).abs() < f64::EPSILON);
    }
}
