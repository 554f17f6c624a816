//! Rules about whole days, judged when the last hour of a day of the business time zone is closed.
//!
//! A day here is the UTC hours that begin in it: in zones of a half hour it is moved by that half hour.

use schemas::calendar::{Calendar, Window};
use schemas::{Bucket, Money};

use super::WatchRules;
use super::watched::Memory;

const QUARTERS: u32 = 4;
/// Days that a day is compared with.
const WEEK: usize = 7;

/// A day whose last hour was closed, by its number of hours.
#[derive(Clone, Debug)]
pub(super) struct EndedDay {
    pub(super) window: Window,
    pub(super) name: String,
    hours: usize,
    day_before_hours: usize,
    week_before_hours: usize,
}

impl EndedDay {
    /// The day that ends with this hour (since 1970), if one does.
    pub(super) fn with_hour(calendar: &Calendar, hour: u32) -> Option<EndedDay> {
        let day_of = |hour: u32| calendar.day(Bucket::from_number(hour * QUARTERS));
        let window = day_of(hour);
        if day_of(hour + 1) == window {
            return None;
        }
        // Days of 23 and 25 hours exist, and there may be no day before 1970.
        let hours_back = |from: u32| (0..=from).rev().take_while(|at| day_of(*at) == day_of(from)).count() as u32;
        let hours = hours_back(hour);
        let (mut before, mut lengths) = (hour.checked_sub(hours)?, Vec::with_capacity(WEEK));
        for _ in 0..WEEK {
            let length = hours_back(before);
            lengths.push(length as usize);
            before = before.checked_sub(length)?;
        }
        Some(EndedDay {
            name: calendar.date_text(window),
            window,
            hours: hours as usize,
            day_before_hours: lengths[0],
            week_before_hours: lengths.iter().sum(),
        })
    }
}

/// A rule about the day holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayVerdict {
    pub(super) rule: &'static str,
    pub(super) spend: Money,
    pub(super) reference: Money,
    pub(super) limit: Money,
    /// What it was compared with.
    pub(super) with: &'static str,
}

/// The rules that hold for a series on this day. None where the days before are not known whole, or cost nothing.
pub(super) fn judge(memory: &Memory, day: &EndedDay, rules: &WatchRules) -> Vec<DayVerdict> {
    let Some(spend) = memory.sum(0, day.hours) else { return Vec::new() };
    let before = memory.sum(day.hours, day.day_before_hours);
    let week = memory.sum(day.hours, day.week_before_hours).map(|sum| Money::from_units(sum.units() / WEEK as i128));
    let compared = [
        ("day-over-day", rules.day_over_day, before, "the day before"),
        ("weekly-mean", rules.weekly_mean, week, "the mean of the seven days before"),
    ];
    let verdict = |(rule, factor, reference, with): (&'static str, Option<Money>, Option<Money>, &'static str)| {
        let reference = reference.filter(|reference| *reference > Money::ZERO)?;
        let limit = reference.checked_mul_rate(factor?)?.max(reference.checked_add(rules.min_amount)?);
        (spend >= limit).then_some(DayVerdict { rule, spend, reference, limit, with })
    };
    compared.into_iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use detection::rhythm::Limits;
    use schemas::Timestamp;

    use super::*;

    fn hour(text: &str) -> u32 {
        Bucket::of(Timestamp::parse(text).unwrap()).number() / QUARTERS
    }

    #[test]
    fn days_of_the_zone_end_when_their_last_hour_does() {
        let berlin = Calendar::new("Europe/Berlin").unwrap();
        // The clocks went back on 2026-10-25.
        let ended = EndedDay::with_hour(&berlin, hour("2026-10-25T22:00:00Z")).unwrap();
        assert_eq!((ended.name.as_str(), ended.hours, ended.day_before_hours, ended.week_before_hours), ("2026-10-25", 25, 24, 168));
        let ended = EndedDay::with_hour(&berlin, hour("2026-10-26T22:00:00Z")).unwrap();
        assert_eq!((ended.hours, ended.day_before_hours, ended.week_before_hours), (24, 25, 169));
        assert!(EndedDay::with_hour(&berlin, hour("2026-10-25T21:00:00Z")).is_none());
        let kolkata = Calendar::new("Asia/Kolkata").unwrap();
        assert!(EndedDay::with_hour(&kolkata, hour("2026-10-25T18:00:00Z")).is_some(), "the hour in which the day ends is its own");
    }

    #[test]
    fn a_day_is_compared_with_the_day_and_the_week_before() {
        let rules = WatchRules { min_amount: Money::from_whole(1), ..WatchRules::default() };
        let utc = Calendar::new("UTC").unwrap();
        let mut memory = Memory::new();
        let mut told = Vec::new();
        // Ten days of 24 USD, then 36, 35, and 72.
        for (at, spend) in (0..10 * 24).map(|at| (at, "1")).chain((240..264).map(|at| (at, "1.5"))).chain((264..288).map(|at| (at, "3.1")))
        {
            memory.close_hour(at, spend.parse().unwrap(), &rules, &Limits::default());
            if let Some(day) = EndedDay::with_hour(&utc, at) {
                told.extend(
                    judge(&memory, &day, &rules).into_iter().map(|verdict| (day.name.clone(), verdict.rule, verdict.limit.to_string())),
                );
            }
        }
        let told: Vec<(&str, &str, &str)> = told.iter().map(|(day, rule, limit)| (day.as_str(), *rule, limit.as_str())).collect();
        assert_eq!(
            told,
            [
                ("1970-01-11", "day-over-day", "36"),
                ("1970-01-12", "day-over-day", "54"),
                ("1970-01-12", "weekly-mean", "51.42857142857142857")
            ]
        );
    }
}
