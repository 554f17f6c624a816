//! Days, weeks and months of the business time zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// How long a report's period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// A business day.
    Daily,
    /// From Monday.
    Weekly,
    /// A business month.
    Monthly,
}

/// From one instant to another, and the period before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// How long.
    pub kind: PeriodKind,
    /// `2026-11-22`, `2026-W47` or `2026-11`.
    pub name: String,
    /// Business time zone.
    pub time_zone: String,
    /// First day.
    pub first_day: String,
    /// Last day.
    pub last_day: String,
    /// Days.
    pub days: u32,
    /// First instant, seconds since 1970.
    pub start_s: i64,
    /// First instant after it.
    pub end_s: i64,
    /// First instant of its last day.
    #[serde(skip)]
    pub last_day_start_s: i64,
    /// First instant of the one before, which ends where this one starts.
    pub previous_start_s: i64,
}

impl Period {
    /// The period that holds a date.
    ///
    /// # Errors
    /// A time zone that is not known, or dates beyond the calendar.
    pub fn holding(kind: PeriodKind, date: Date, time_zone: &str) -> Result<Period, jiff::Error> {
        let (first, length): (Date, Span) = match kind {
            PeriodKind::Daily => (date, 1.day()),
            PeriodKind::Weekly => (date.checked_sub(i64::from(date.weekday().since(Weekday::Monday)).days())?, 7.days()),
            PeriodKind::Monthly => (date.first_of_month(), 1.month()),
        };
        let (after, before) = (first.checked_add(length)?, first.checked_sub(length)?);
        let zone = TimeZone::get(time_zone)?;
        let instant = |date: Date| date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp().as_second());
        let last = after.yesterday()?;
        let name = match kind {
            PeriodKind::Daily => first.to_string(),
            PeriodKind::Weekly => {
                let week = first.iso_week_date();
                format!("{}-W{:02}", week.year(), week.week())
            }
            PeriodKind::Monthly => format!("{:04}-{:02}", first.year(), first.month()),
        };
        Ok(Period {
            kind,
            name,
            time_zone: time_zone.to_owned(),
            days: u32::try_from(first.until(after)?.get_days()).unwrap_or(0),
            first_day: first.to_string(),
            last_day: last.to_string(),
            last_day_start_s: instant(last)?,
            start_s: instant(first)?,
            end_s: instant(after)?,
            previous_start_s: instant(before)?,
        })
    }

    /// The last period that was over at an instant.
    ///
    /// # Errors
    /// As [`Period::holding`].
    pub fn before(kind: PeriodKind, now: Timestamp, time_zone: &str) -> Result<Period, jiff::Error> {
        let today = now.to_zoned(TimeZone::get(time_zone)?).date();
        Period::holding(kind, today, time_zone)?.previous()
    }

    /// The one that ends where this one starts.
    ///
    /// # Errors
    /// As [`Period::holding`].
    pub fn previous(&self) -> Result<Period, jiff::Error> {
        let first: Date = self.first_day.parse()?;
        Period::holding(self.kind, first.yesterday()?, &self.time_zone)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn hours(period: &Period) -> i64 {
        (period.end_s - period.start_s) / 3600
    }

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_its_first() {
        let week = Period::holding(PeriodKind::Weekly, date(2026, 11, 29), "UTC").unwrap();
        assert_eq!((week.name.as_str(), week.first_day.as_str(), week.last_day.as_str()), ("2026-W48", "2026-11-23", "2026-11-29"));
        assert_eq!(week.start_s - week.previous_start_s, 7 * 86_400);
        let month = Period::holding(PeriodKind::Monthly, date(2024, 2, 29), "UTC").unwrap();
        assert_eq!((month.name.as_str(), month.days, hours(&month)), ("2024-02", 29, 29 * 24));
        assert_eq!(month.start_s - month.previous_start_s, 31 * 86_400);
    }

    #[test]
    fn days_are_those_of_the_zone_and_as_long_as_they_are_there() {
        let longest = Period::holding(PeriodKind::Daily, date(2026, 10, 25), "Europe/Berlin").unwrap();
        assert_eq!(hours(&longest), 25);
        let india = Period::holding(PeriodKind::Daily, date(2026, 11, 22), "Asia/Kolkata").unwrap();
        assert_eq!(india.start_s.rem_euclid(86_400), 18 * 3600 + 1800);
    }

    #[test]
    fn the_last_period_is_over() {
        let last = |kind| Period::before(kind, "2027-01-01T00:00:00Z".parse().unwrap(), "UTC").unwrap().name;
        assert_eq!([last(PeriodKind::Daily), last(PeriodKind::Weekly), last(PeriodKind::Monthly)], ["2026-12-31", "2026-W52", "2026-12"]);
    }
}
