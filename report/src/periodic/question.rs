//! What is asked.

use schemas::price_book::PriceBook;

use super::{Period, Share};

/// A report that is wanted.
pub struct ReportQuestion {
    /// Which time.
    pub period: Period,
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

/// A grouping set as a report uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetView {
    /// Its name, which ends the names of its views.
    pub name: String,
    /// Names of its dimensions.
    pub key: Vec<&'static str>,
}

impl ReportQuestion {
    /// The daily view that counts by exactly these dimensions.
    pub(super) fn daily_view(&self, key: &[&str]) -> Option<String> {
        let set = self.sets.iter().find(|set| set.key == key)?;
        Some(if set.name == "total" { "daily_total".to_owned() } else { format!("daily_by_{}", set.name) })
    }
}
