//! The 15-minute bucket, the base of every window: hours, days and months of any time zone are sums of buckets, because
//! every offset in the tz database is a multiple of 15 minutes at every instant since 1986.

use serde::{Deserialize, Serialize};

use crate::timestamp::{MINUTE_US, Timestamp};

/// Length of a bucket.
pub const BUCKET_US: i64 = 15 * MINUTE_US;

/// A quarter hour of UTC, by its number since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(u32);

impl Bucket {
    /// The bucket that holds the instant (the first one for anything before 1970).
    pub fn of(instant: Timestamp) -> Self {
        Bucket(u32::try_from(instant.micros().div_euclid(BUCKET_US)).unwrap_or(0))
    }

    /// By its number since 1970.
    pub const fn from_number(number: u32) -> Self {
        Bucket(number)
    }

    /// Quarter hours since 1970.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first instant.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_micros(self.0 as i64 * BUCKET_US)
    }

    /// Its first instant no longer in it.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_micros((self.0 as i64 + 1) * BUCKET_US)
    }

    /// The one so many quarter hours later.
    pub const fn plus(self, quarter_hours: u32) -> Bucket {
        Bucket(self.0.saturating_add(quarter_hours))
    }

    /// The first bucket of its UTC hour.
    pub const fn hour_start(self) -> Bucket {
        Bucket(self.0 - self.0 % 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_start_and_not_its_end() {
        let at = Timestamp::parse("2026-11-22T10:15:00Z").unwrap();
        let bucket = Bucket::of(at);
        assert_eq!(bucket.start(), at);
        assert_eq!(Bucket::of(bucket.end().plus(-1)), bucket);
        assert_eq!(Bucket::of(bucket.end()).number(), bucket.number() + 1);
        assert_eq!(bucket.hour_start().start(), at.plus(-BUCKET_US));
    }
}
