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
        Ok(Rules { book, zone, sets, reported_first: false, horizon, future })
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
