//! What is asked.

use schemas::Currency;
use schemas::price_book::PriceBook;

use super::{Period, Share};
use crate::SetView;
use crate::currency::windows;

/// A report that is wanted.
pub struct ReportQuestion {
    /// Which time.
    pub period: Period,
    /// Of all amounts but those of recommendations and budgets.
    pub currency: Currency,
    /// The configured grouping sets that have one view each; what has none is not in the report.
    pub sets: Vec<SetView>,
    /// Is there a row for every event?
    pub usage_events: bool,
    /// Tags whose values are allocated as well.
    pub tags: Vec<String>,
    /// Who pays for what names nobody.
    pub shares: Vec<Share>,
    /// Budgets whose windows roll on: they overlap, so their periods are not added up.
    pub rolling_budgets: Vec<String>,
    /// For what other models would cost.
    pub book: PriceBook,
    /// Of the program.
    pub version: String,
    /// That is asked.
    pub database: String,
}

impl ReportQuestion {
    /// The days of the set that counts by exactly these dimensions, for behind FROM.
    pub(super) fn days_by(&self, key: &[&str], currency: Currency) -> Option<String> {
        self.sets.iter().find(|set| set.key == key).map(|set| windows(set, "day", currency))
    }

    /// The quarter hours of all spend, for behind FROM.
    pub(super) fn quarter_hours(&self, currency: Currency) -> Option<String> {
        self.sets.iter().find(|set| set.key.is_empty()).map(|set| windows(set, "quarter_hour", currency))
    }
}
