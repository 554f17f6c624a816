//! Hours, days and months as runs of buckets, in the business time zone.
//!
//! A local day begins at the first instant at which local clocks show its date (the earlier one when midnight comes twice,
//! the end of the gap when it does not come at all) and ends where the next begins, so days and months partition the time
//! line. A window holds the buckets whose *start* lies in it. Offsets are multiples of 15 minutes since 1986, so that
//! this is the local day itself; before (Africa/Monrovia until 1972: -0:44:30) its edges are moved to the next bucket.
//! Time begins in 1970: the first window of a zone west of Greenwich is cut there.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};

use crate::timestamp::HOUR_US;
use crate::window::BUCKET_US;
use crate::{Bucket, Timestamp};

/// Instants from `start` (inclusive) to `end` (exclusive), both at edges of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// First instant in it.
    pub start: Timestamp,
    /// First instant no longer in it.
    pub end: Timestamp,
}

impl Window {
    /// Does the instant lie in it?
    pub fn contains(&self, instant: Timestamp) -> bool {
        (self.start..self.end).contains(&instant)
    }
}

/// The name is in no time zone database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone {0:?} in the bundled tz database: expected a name such as Asia/Seoul, America/New_York or UTC")]
pub struct UnknownZone(pub String);

/// Windows of one time zone.
///
/// ```
/// use schemas::{Bucket, Timestamp, calendar::Calendar};
/// let seoul = Calendar::new("Asia/Seoul")?;
/// let bucket = Bucket::of(Timestamp::parse("2026-11-22T15:00:00Z")?);
/// assert_eq!(seoul.day(bucket).start, bucket.start());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    name: String,
    last_day: LastWindow,
    last_month: LastWindow,
}

impl Calendar {
    /// Of a zone of the bundled tz database, by its name in any case.
    ///
    /// # Errors
    /// [`UnknownZone`]
    pub fn new(zone_name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZoneDatabase::bundled().get(zone_name).map_err(|_| UnknownZone(zone_name.to_owned()))?;
        let name = zone.iana_name().unwrap_or(zone_name).to_owned();
        Ok(Calendar { zone, name, last_day: LastWindow::default(), last_month: LastWindow::default() })
    }

    /// The zone's name as the database spells it.
    pub fn zone_name(&self) -> &str {
        &self.name
    }

    /// The bucket itself.
    pub fn quarter_hour(&self, bucket: Bucket) -> Window {
        Window { start: bucket.start(), end: bucket.end() }
    }

    /// The UTC hour that holds the bucket, in every zone.
    pub fn hour(&self, bucket: Bucket) -> Window {
        let start = bucket.hour_start().start();
        Window { start, end: start.plus(HOUR_US) }
    }

    /// The local day that holds the bucket's start.
    pub fn day(&self, bucket: Bucket) -> Window {
        self.last_day.or_else(bucket, || self.run(bucket, |date| date, 1.day()))
    }

    /// The local month that holds the bucket's start.
    pub fn month(&self, bucket: Bucket) -> Window {
        self.last_month.or_else(bucket, || self.run(bucket, Date::first_of_month, 1.month()))
    }

    /// The local date of a window's first bucket, `2026-11-22`.
    pub fn date_text(&self, window: Window) -> String {
        let Ok(start) = jiff::Timestamp::from_microsecond(window.start.micros()) else { return window.start.to_string() };
        self.zone.to_datetime(start).date().to_string()
    }

    /// The window of the given length, beginning at a date that `first` names, that holds the bucket. `None` beyond the
    /// year 9998.
    fn run(&self, bucket: Bucket, first: impl Fn(Date) -> Date, length: Span) -> Option<(u32, u32)> {
        let instant = jiff::Timestamp::from_microsecond(bucket.start().micros()).ok()?;
        let local_date = self.zone.to_datetime(instant).date();
        let mut date = first(local_date);
        // Where midnight comes twice, clocks show yesterday again after today has begun: then it is the next one.
        loop {
            let next = date.checked_add(length).ok()?;
            let end = self.first_bucket(next)?;
            if bucket.number() < end {
                return Some((self.first_bucket(date)?, end));
            }
            date = next;
        }
    }

    /// Number of the first bucket that starts on this date or after.
    fn first_bucket(&self, date: Date) -> Option<u32> {
        let start_us = self.start_of(date)?.as_microsecond();
        let number = start_us.div_euclid(BUCKET_US) + i64::from(start_us.rem_euclid(BUCKET_US) != 0);
        u32::try_from(number.max(0)).ok()
    }

    /// The first instant of a date.
    fn start_of(&self, date: Date) -> Option<jiff::Timestamp> {
        let midnight = self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
        let AmbiguousOffset::Gap { after, .. } = midnight.offset() else { return midnight.earlier().ok() };
        // Midnight is skipped: the day begins with the jump, which may come before midnight (23:30 to 00:30).
        let before_jump = midnight.earlier().ok()?;
        self.zone.following(before_jump).find(|jump| jump.offset() == after).map(|jump| jump.timestamp())
    }
}

/// The window asked for last, as first and end bucket: nearly every question is about the same day. One word, so that it
/// can be read and replaced through a shared reference.
#[derive(Debug, Default)]
struct LastWindow(AtomicU64);

impl LastWindow {
    fn or_else(&self, bucket: Bucket, compute: impl FnOnce() -> Option<(u32, u32)>) -> Window {
        let held = self.0.load(Ordering::Relaxed);
        let (start, end) = ((held >> 32) as u32, held as u32);
        if (start..end).contains(&bucket.number()) {
            return Self::window(start, end);
        }
        // Beyond what calendars can name (no accepted event is there) a bucket is a window of its own.
        let Some((start, end)) = compute() else { return Window { start: bucket.start(), end: bucket.end() } };
        self.0.store(u64::from(start) << 32 | u64::from(end), Ordering::Relaxed);
        Self::window(start, end)
    }

    fn window(start: u32, end: u32) -> Window {
        Window { start: Bucket::from_number(start).start(), end: Bucket::from_number(end).start() }
    }
}

impl Clone for LastWindow {
    fn clone(&self) -> Self {
        LastWindow(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Bucket {
        Bucket::of(Timestamp::parse(text).unwrap())
    }

    fn texts(window: Window) -> (String, String) {
        let short = |t: Timestamp| t.to_string().replace(":00.000000Z", "Z");
        (short(window.start), short(window.end))
    }

    fn pair(start: &str, end: &str) -> (String, String) {
        (start.to_owned(), end.to_owned())
    }

    #[test]
    fn a_day_of_a_clock_change_has_23_or_25_hours() {
        let berlin = Calendar::new("europe/berlin").unwrap();
        assert_eq!(berlin.zone_name(), "Europe/Berlin");
        assert_eq!(texts(berlin.day(at("2026-03-29T12:00:00Z"))), pair("2026-03-28T23:00Z", "2026-03-29T22:00Z"));
        assert_eq!(texts(berlin.day(at("2026-10-25T12:00:00Z"))), pair("2026-10-24T22:00Z", "2026-10-25T23:00Z"));
        assert_eq!(texts(berlin.month(at("2026-10-25T12:00:00Z"))), pair("2026-09-30T22:00Z", "2026-10-31T23:00Z"));
    }

    #[test]
    fn hours_are_those_of_utc_in_every_zone() {
        let kathmandu = Calendar::new("Asia/Kathmandu").unwrap();
        let bucket = at("2026-11-22T10:50:00Z");
        assert_eq!(texts(kathmandu.hour(bucket)), pair("2026-11-22T10:00Z", "2026-11-22T11:00Z"));
        assert_eq!(texts(kathmandu.quarter_hour(bucket)), pair("2026-11-22T10:45Z", "2026-11-22T11:00Z"));
        assert_eq!(texts(kathmandu.day(bucket)), pair("2026-11-21T18:15Z", "2026-11-22T18:15Z"));
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_with_the_jump() {
        let sao_paulo = Calendar::new("America/Sao_Paulo").unwrap();
        assert_eq!(texts(sao_paulo.day(at("2018-11-04T12:00:00Z"))), pair("2018-11-04T03:00Z", "2018-11-05T02:00Z"));
    }

    #[test]
    fn a_day_whose_midnight_comes_twice_begins_with_the_first() {
        // Until 2011 Newfoundland set its clocks back at 00:01.
        let st_johns = Calendar::new("America/St_Johns").unwrap();
        let shown_as_yesterday = at("2010-11-07T03:00:00Z");
        assert_eq!(texts(st_johns.day(shown_as_yesterday)), pair("2010-11-07T02:30Z", "2010-11-08T03:30Z"));
    }

    #[test]
    fn a_day_that_samoa_skipped_is_no_window() {
        let apia = Calendar::new("Pacific/Apia").unwrap();
        assert_eq!(texts(apia.day(at("2011-12-30T09:45:00Z"))), pair("2011-12-29T10:00Z", "2011-12-30T10:00Z"));
        assert_eq!(texts(apia.day(at("2011-12-30T10:00:00Z"))), pair("2011-12-30T10:00Z", "2011-12-31T10:00Z"));
    }

    #[test]
    fn an_offset_that_is_no_quarter_hour_moves_the_edge_to_the_next_bucket() {
        let monrovia = Calendar::new("Africa/Monrovia").unwrap();
        assert_eq!(texts(monrovia.day(at("1971-06-01T12:00:00Z"))), pair("1971-06-01T00:45Z", "1971-06-02T00:45Z"));
    }

    #[test]
    fn time_begins_in_1970_and_never_fails_at_its_other_end() {
        let new_york = Calendar::new("America/New_York").unwrap();
        assert_eq!(texts(new_york.day(Bucket::from_number(0))), pair("1970-01-01T00:00Z", "1970-01-01T05:00Z"));
        let far = Bucket::from_number(u32::MAX);
        assert_eq!(new_york.month(far), new_york.quarter_hour(far));
        let last = Bucket::of(Timestamp::END.plus(-1));
        assert!(new_york.day(last).contains(last.start()) && new_york.month(last).contains(last.start()));
        assert!(new_york.day(last).end > last.end());
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert_eq!(Calendar::new("Mars/Olympus").err(), Some(UnknownZone("Mars/Olympus".to_owned())));
    }

    /// Instants around which days are looked at: all changes of the zone's clocks, and the turn of each year.
    fn interesting(zone: &TimeZone) -> Vec<Bucket> {
        let (from, to) = ("1990-01-01T00:00:00Z", "2040-01-01T00:00:00Z");
        let start: jiff::Timestamp = from.parse().unwrap();
        let end = to.parse().unwrap();
        let mut found: Vec<Bucket> = (1990..=2040).map(|year| at(&format!("{year}-01-01T00:00:00Z"))).collect();
        let changes = zone.following(start).map(|jump| jump.timestamp()).take_while(|t| *t < end);
        found.extend(changes.map(|t| Bucket::of(Timestamp::from_micros(t.as_microsecond()))));
        found
    }

    #[test]
    fn days_and_months_partition_time_around_every_clock_change_of_every_zone() {
        let mut zones = 0;
        for name in TimeZoneDatabase::bundled().available() {
            zones += 1;
            let calendar = Calendar::new(name.as_str()).unwrap();
            for change in interesting(&calendar.zone) {
                // Four days before to two days after, bucket by bucket where days meet.
                let mut bucket = Bucket::from_number(change.number() - 4 * 96);
                let until = change.number() + 2 * 96;
                while bucket.number() < until {
                    let (day, month) = (calendar.day(bucket), calendar.month(bucket));
                    let context = format!("{name} {} {day:?}", bucket.start());
                    assert!(day.contains(bucket.start()), "{context}");
                    assert!(month.start <= day.start && day.end <= month.end, "{context} {month:?}");
                    let last = Bucket::from_number(Bucket::of(day.end).number() - 1);
                    // Asked afresh, the first and the last bucket of the day answer the same.
                    for edge in [Bucket::of(day.start), last] {
                        assert_eq!(calendar.clone_without_memory().day(edge), day, "{context}");
                    }
                    assert_is_local_day(&calendar, day, &context);
                    bucket = Bucket::of(day.end);
                }
            }
        }
        assert!(zones > 500, "{zones} zones");
    }

    /// Since 1990 edges are exact: local clocks show a new date from `start`, and just before it the date before.
    fn assert_is_local_day(calendar: &Calendar, day: Window, context: &str) {
        let local = |t: Timestamp| calendar.zone.to_datetime(jiff::Timestamp::from_microsecond(t.micros()).unwrap());
        assert!(local(day.start.plus(-1)).date() < local(day.start).date(), "{context}");
        assert!(local(day.end.plus(-1)).date() < local(day.end).date(), "{context}");
        let hours = (day.end.micros() - day.start.micros()) / HOUR_US;
        // Vostok in Antarctica has moved its clocks by seven hours.
        assert!((16..=32).contains(&hours), "{context}: {hours} hours");
    }

    impl Calendar {
        fn clone_without_memory(&self) -> Calendar {
            Calendar { last_day: LastWindow::default(), last_month: LastWindow::default(), ..self.clone() }
        }
    }
}
