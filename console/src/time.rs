//! Time zones, windows and ranges of time. Instants are whole seconds since 1970, UTC.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Unit, Zoned, ZonedRound};
use schemas::rollup::Granularity;

use crate::problem::Problem;

/// A time zone of the bundled database.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: String,
    zone: TimeZone,
}

impl Zone {
    /// By its IANA name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Some(Zone { name, zone })
    }

    fn local(&self, second: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(second).ok()?.to_zoned(self.zone.clone()))
    }

    /// Start of the window that holds the instant. Instants beyond the calendar stay as they are.
    pub(crate) fn floor(&self, granularity: Granularity, second: i64) -> i64 {
        let floored = || -> Option<i64> {
            let local = self.local(second)?;
            let start = match granularity {
                Granularity::QuarterHour => return Some(second.div_euclid(900) * 900),
                Granularity::Hour => local.round(ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Floor)).ok()?,
                Granularity::Day => local.start_of_day().ok()?,
                Granularity::Month => local.first_of_month().ok()?.start_of_day().ok()?,
            };
            Some(start.timestamp().as_second())
        };
        floored().unwrap_or(second)
    }

    /// Start of the window after the one that begins at `start`, or of one so many further on.
    pub(crate) fn after(&self, granularity: Granularity, start: i64, count: i64) -> i64 {
        let moved = || -> Option<i64> {
            let span = match granularity {
                Granularity::QuarterHour => return Some(start + 900 * count),
                Granularity::Hour => return Some(self.floor(granularity, start + 3600 * count)),
                Granularity::Day => count.days(),
                Granularity::Month => count.months(),
            };
            let moved = self.local(start)?.checked_add(span).ok()?;
            Some(self.floor(granularity, moved.timestamp().as_second()))
        };
        moved().unwrap_or(start)
    }

    /// The instant itself when a window begins there, else the end of the window that holds it.
    pub(crate) fn ceil(&self, granularity: Granularity, second: i64) -> i64 {
        let start = self.floor(granularity, second);
        if start == second { second } else { self.after(granularity, start, 1) }
    }

    /// An RFC 3339 instant, or a date, which begins at its midnight here.
    pub(crate) fn parse(&self, parameter: &str, text: &str) -> Result<i64, Problem> {
        let of_date = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp());
        let instant = text.parse::<Timestamp>().ok().or_else(of_date);
        let second = instant.map(Timestamp::as_second).filter(|second| (0..=MAX_SECOND).contains(second));
        second.ok_or_else(|| {
            Problem::bad_value(parameter, text, "an instant such as 2026-11-22T10:15:00Z or a date such as 2026-11-22, from 1970 to 2105")
        })
    }
}

/// ClickHouse's `DateTime` ends in February 2106.
const MAX_SECOND: i64 = 4_260_000_000;

/// Now.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// `2026-11-22T10:15:00Z`
pub(crate) fn rfc3339(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |instant| instant.to_string())
}

/// As ClickHouse takes a parameter of type `DateTime('UTC')`.
pub(crate) fn parameter(second: i64) -> String {
    rfc3339(second).replace('T', " ").replace('Z', "")
}

/// A range of whole windows, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn windows_are_those_of_the_zone_also_where_its_offset_is_no_whole_hour_and_where_clocks_change() {
        let kathmandu = Zone::named("Asia/Kathmandu").unwrap();
        let at = second("2026-11-22T10:20:00Z");
        assert_eq!(kathmandu.floor(Granularity::Hour, at), second("2026-11-22T10:15:00Z"));
        assert_eq!(kathmandu.floor(Granularity::Day, at), second("2026-11-21T18:15:00Z"));
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let day = second("2026-10-24T22:00:00Z");
        assert_eq!(berlin.after(Granularity::Day, day, 1) - day, 25 * 3600);
        assert_eq!(berlin.floor(Granularity::Month, second("2026-11-01T12:00:00Z")), second("2026-10-31T23:00:00Z"));
        assert_eq!(berlin.after(Granularity::Month, second("2026-10-31T23:00:00Z"), -1), second("2026-09-30T22:00:00Z"));
        assert_eq!(berlin.ceil(Granularity::Day, day), day);
        assert_eq!(berlin.ceil(Granularity::Day, day + 1), second("2026-10-25T23:00:00Z"));
        assert!(Zone::named("Mars/Olympus").is_none());
    }

    #[test]
    fn instants_and_dates_are_read_and_nothing_else() {
        let kolkata = Zone::named("Asia/Kolkata").unwrap();
        assert_eq!(kolkata.parse("from", "2026-11-22").unwrap(), second("2026-11-21T18:30:00Z"));
        assert_eq!(kolkata.parse("from", "2026-11-22T10:15:00+01:00").unwrap(), second("2026-11-22T09:15:00Z"));
        for text in ["", "yesterday", "2026-13-01", "1900-01-01", "2300-01-01", "1700000000"] {
            assert!(kolkata.parse("from", text).is_err(), "{text:?}");
        }
        assert_eq!(parameter(second("2026-11-22T10:15:00Z")), "2026-11-22 10:15:00");
    }
}
