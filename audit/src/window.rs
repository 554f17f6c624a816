//! Windows: quarter hours and hours of UTC, days and months of the business time zone.

use jiff::tz::TimeZone;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// 15 minutes of UTC.
    QuarterHour,
    /// An hour of UTC.
    Hour,
    /// A day of the business time zone.
    Day,
    /// A month of the business time zone.
    Month,
}

impl Granularity {
    /// All of them.
    pub const ALL: [Granularity; 4] = [Granularity::QuarterHour, Granularity::Hour, Granularity::Day, Granularity::Month];

    /// The first part of a view's name.
    pub fn prefix(self) -> &'static str {
        match self {
            Granularity::QuarterHour => "quarter_hour",
            Granularity::Hour => "hourly",
            Granularity::Day => "daily",
            Granularity::Month => "monthly",
        }
    }

    /// Seconds since 1970 of the first second of the window that holds the instant.
    pub(crate) fn start_s(self, at_us: i64, zone: &TimeZone) -> Option<i64> {
        let second = at_us.div_euclid(1_000_000);
        match self {
            Granularity::QuarterHour => Some(second - second.rem_euclid(900)),
            Granularity::Hour => Some(second - second.rem_euclid(3600)),
            Granularity::Day | Granularity::Month => {
                let local = jiff::Timestamp::from_second(second).ok()?.to_zoned(zone.clone());
                let date = if self == Granularity::Day { local.date() } else { local.date().first_of_month() };
                // The first instant of a date, also where midnight falls into a gap.
                Some(date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_second())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(granularity: Granularity, at: &str, zone: &str) -> String {
        let at: jiff::Timestamp = at.parse().unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let start = granularity.start_s(at.as_microsecond(), &zone).unwrap();
        jiff::Timestamp::from_second(start).unwrap().to_string()
    }

    #[test]
    fn windows_start_where_the_calendar_says() {
        use Granularity::*;
        assert_eq!(start(QuarterHour, "2026-11-22T10:29:59.9Z", "UTC"), "2026-11-22T10:15:00Z");
        assert_eq!(start(Hour, "2026-11-22T10:29:59Z", "Asia/Kolkata"), "2026-11-22T10:00:00Z");
        assert_eq!(start(Day, "2026-11-22T18:30:00Z", "Asia/Kolkata"), "2026-11-22T18:30:00Z");
        assert_eq!(start(Day, "2026-11-22T18:29:59Z", "Asia/Kolkata"), "2026-11-21T18:30:00Z");
        assert_eq!(start(Day, "2026-03-29T12:00:00Z", "Europe/Berlin"), "2026-03-28T23:00:00Z");
        assert_eq!(start(Month, "2026-03-29T12:00:00Z", "Europe/Berlin"), "2026-02-28T23:00:00Z");
        // Midnight does not exist on this day in Beirut.
        assert_eq!(start(Day, "2026-03-29T12:00:00Z", "Asia/Beirut"), "2026-03-28T22:00:00Z");
    }
}
