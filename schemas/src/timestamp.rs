//! Event time: microseconds since 1970 in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds in an hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds in 24 hours.
pub const DAY_US: i64 = 24 * HOUR_US;

/// The text is no RFC 3339 time of the years 1970 to 2105.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time with an offset, such as 2026-11-22T10:15:03.123456Z, from 1970 to 2105")]
pub struct TimestampError;

impl Timestamp {
    /// 1970-01-01T00:00:00Z, the first accepted instant.
    pub const MIN: Timestamp = Timestamp(0);
    /// 2106-01-01T00:00:00Z, the first instant no longer accepted: ClickHouse's `DateTime` ends in that year.
    pub const END: Timestamp = Timestamp(4_291_747_200 * SECOND_US);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From milliseconds since 1970; stays at the ends of the range of `i64` (a producer may put anything into a Kafka
    /// timestamp).
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Later by `micros`; stays at the ends of the range of `i64`.
    pub const fn plus(self, micros: i64) -> Self {
        Timestamp(self.0.saturating_add(micros))
    }

    /// Is it within the years 1970 to 2105?
    pub fn in_range(self) -> bool {
        (Self::MIN..Self::END).contains(&self)
    }

    /// Reads RFC 3339 with an offset: `T`, `t` or a space; `Z`, `z` or `±hh:mm`; any number of decimals, cut to
    /// microseconds; `:60` is refused.
    ///
    /// # Errors
    /// [`TimestampError`] for everything else.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        parse(text.as_bytes()).filter(|t| t.in_range()).ok_or(TimestampError)
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    // 2026-11-22T10:15:03 is 19 bytes; then [.fraction] and the offset.
    let (head, tail) = text.split_at_checked(19)?;
    let shape = head[4] == b'-' && head[7] == b'-' && matches!(head[10], b'T' | b't' | b' ') && head[13] == b':' && head[16] == b':';
    if !shape {
        return None;
    }
    let year = digits(&head[..4])?;
    let (month, day) = (digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    let in_range = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, offset) = fraction(tail)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds(offset)?;
    Some(Timestamp(seconds * SECOND_US + micros))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// Microseconds of `.123456789` (cut) and what follows.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = tail.strip_prefix(b".") else { return Some((0, tail)) };
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let kept = length.min(6);
    let value = digits(&rest[..kept])? * 10_i64.pow(6 - kept as u32);
    Some((value, &rest[length..]))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m0] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m0])?);
            let seconds = hours * 3600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March so that the leap day
/// comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> Result<i64, TimestampError> {
        Timestamp::parse(text).map(Timestamp::micros)
    }

    #[test]
    fn the_accepted_spellings_mean_the_same() {
        let expected = Ok(1_795_342_503_123_456);
        for text in [
            "2026-11-22T10:15:03.123456Z",
            "2026-11-22t10:15:03.123456z",
            "2026-11-22 10:15:03.1234569+00:00",
            "2026-11-22T15:45:03.123456999999+05:30",
            "2026-11-22T05:15:03.123456-05:00",
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(micros("1970-01-01T00:00:00Z"), Ok(0));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:15:03",
            "2026-11-22T10:15:60Z",
            "2026-11-22T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-22T10:15:03.Z",
            "2026-11-22T10:15Z",
            "2026-11-22T10:15:03+0530",
            "2026-11-22T10:15:03+24:00",
            "2026-11-22T10:15:03Z ",
            "1969-12-31T23:59:59Z",
            "2106-01-01T00:00:00Z",
            "２026-11-22T10:15:03Z",
            "2026-11-22T10:15:03,5Z",
        ] {
            assert_eq!(micros(text), Err(TimestampError), "{text:?}");
        }
    }

    #[test]
    fn milliseconds_beyond_the_range_stay_at_its_end() {
        assert_eq!((Timestamp::from_millis(i64::MAX).micros(), Timestamp::from_millis(i64::MIN).micros()), (i64::MAX, i64::MIN));
    }

    proptest! {
        #[test]
        fn every_instant_reads_back_as_jiff_writes_it(us in 0..Timestamp::END.micros()) {
            prop_assert_eq!(micros(&Timestamp(us).to_string()), Ok(us));
        }
    }
}
