//! What a recount goes by, besides the messages.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::price_book::PriceBook;
use crate::{AuditError, GroupingSet};

/// The configuration of the pipeline that is audited.
#[derive(Debug)]
pub struct Rules {
    pub(crate) book: PriceBook,
    pub(crate) zone: TimeZone,
    pub(crate) sets: Vec<GroupingSet>,
    /// Does an amount that an `llm` event reports go before the book's price? Off by default.
    pub reported_first: bool,
    /// How far before the newest counted event of its partition an event may lie. 35 days by default.
    pub horizon: Duration,
    /// How far after the record's Kafka timestamp an event may lie. 5 minutes by default.
    pub future: Duration,
    /// When a quarter hour is put away.
    pub limits: Limits,
}

/// When a partition puts a quarter hour away, after which a set's limit counts from nothing there. Only rows of sets over their limit depend on it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A quarter hour closes when the newest event is so far beyond its end. A minute by default.
    pub lateness: Duration,
    /// It is put away so long after its end. An hour by default.
    pub retain: Duration,
    /// Beyond so many rows of open quarter hours the earliest is put away. 4,000,000 by default.
    pub max_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { lateness: Duration::from_mins(1), retain: Duration::from_hours(1), max_rows: 4_000_000 }
    }
}

impl Limits {
    pub(crate) fn lateness_us(&self) -> i64 {
        micros(self.lateness)
    }

    pub(crate) fn retain_us(&self) -> i64 {
        micros(self.retain)
    }
}

impl Rules {
    /// From the text of all price and rate files, the business time zone's name and the grouping sets.
    ///
    /// # Errors
    /// [`AuditError::PriceBook`], [`AuditError::TimeZone`]
    pub fn new(price_files: &[&str], zone: &str, sets: Vec<GroupingSet>) -> Result<Self, AuditError> {
        let mut book = PriceBook::default();
        for text in price_files {
            book.add_toml(text)?;
        }
        let zone = TimeZone::get(zone).map_err(|_| AuditError::TimeZone { name: zone.to_owned() })?;
        let (horizon, future) = (Duration::from_hours(35 * 24), Duration::from_mins(5));
        Ok(Rules { book, zone, sets, reported_first: false, horizon, future, limits: Limits::default() })
    }

    pub(crate) fn horizon_us(&self) -> i64 {
        micros(self.horizon)
    }

    pub(crate) fn future_us(&self) -> i64 {
        micros(self.future)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
