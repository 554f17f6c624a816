//! Writes times: the date is kept while the day lasts.

use schemas::Timestamp;
use schemas::timestamp::DAY_US;

/// The last day written and its text.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    day: Option<i64>,
    date: String,
}

impl Clock {
    /// Appends RFC 3339 in UTC with six decimals.
    pub(crate) fn push(&mut self, at: Timestamp, out: &mut String) {
        let (day, mut rest) = (at.micros().div_euclid(DAY_US), at.micros().rem_euclid(DAY_US));
        if self.day != Some(day) {
            self.date = Timestamp::from_micros(day * DAY_US).to_string();
            self.date.truncate(11);
            self.day = Some(day);
        }
        out.push_str(&self.date);
        let mut digits = *b"00:00:00.000000Z";
        for (at, base) in [(14, 10), (13, 10), (12, 10), (11, 10), (10, 10), (9, 10), (7, 10), (6, 6), (4, 10), (3, 6), (1, 10), (0, 10)] {
            digits[at] += (rest % base) as u8;
            rest /= base;
        }
        out.extend(digits.iter().map(|digit| char::from(*digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_read() {
        let mut clock = Clock::default();
        for text in ["2026-11-22T10:15:03.123456Z", "2026-11-22T23:59:59.999999Z", "2026-11-23T00:00:00.000000Z"] {
            let mut out = String::new();
            clock.push(Timestamp::parse(text).unwrap(), &mut out);
            assert_eq!(out, text);
        }
    }
}
