//! What a recount goes by, besides the messages.

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
        Ok(Rules { book, zone, sets, reported_first: false })
    }
}
