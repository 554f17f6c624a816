//! Reports of a day, a week or a month.
//!
//! | file | what |
//! |---|---|
//! | `period` | which instants a day, week or month is, and the one before |
//! | `question` | what is asked, and by which views |
//! | `read` | the questions to ClickHouse |
//! | `allocation` | spend that names no team, divided by configured shares |
//! | `advice`, `models` | recommendations with the money they are about |
//! | `event` | a report on the topic of alerts |
//! | `markdown`, `html`, `plot` | for people; JSON is the report itself |
//!
//! Amounts are in the currency asked for, of recommendations in US dollars. Sums are ClickHouse's over exact decimals; quotients are rounded once, half to even, to 18 decimals.

mod advice;
mod allocation;
mod event;
mod html;
mod markdown;
mod models;
mod period;
mod plot;
mod question;
mod read;

pub use advice::{Advice, Saving};
pub use allocation::{Allocation, Share};
pub use event::{EventSubject, MOST_EVENT_BYTES, REPORT_EVENT_TYPE, TextFormat, is_final};
pub use html::html;
pub use markdown::markdown;
pub use period::{Period, PeriodKind};
pub use question::ReportQuestion;
pub use read::read;

use markdown::change;
use serde::{Deserialize, Serialize};

use crate::Amount;

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Format of this document.
    pub format: &'static str,
    /// Version of the program.
    pub version: String,
    /// When, by ClickHouse's clock; RFC 3339.
    pub generated_at: String,
    /// Database that was asked.
    pub database: String,
    /// Of all amounts but those of recommendations, which say their own.
    pub currency: String,
    /// What it is about.
    pub period: Period,
    /// All spend of the period.
    pub total: Line,
    /// Spend by one dimension after the other.
    pub breakdowns: Vec<Breakdown>,
    /// Spend by day, for weeks and months.
    pub days: Vec<Slot>,
    /// Spend by hour of the day, in the business time zone: 24.
    pub hours: Vec<Slot>,
    /// Key figures.
    pub kpis: Kpis,
    /// Who pays.
    pub allocations: Vec<Allocation>,
    /// What could be done.
    pub advice: Vec<Advice>,
    /// What this report does not know, in words.
    pub notes: Vec<String>,
}

/// Spend of one value (or pair of values), beside the period before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The value; empty: not given.
    pub name: String,
    /// Counted events.
    pub events: u64,
    /// Calls to models.
    pub calls: u64,
    /// Of them failed.
    pub errors: u64,
    /// Events whose cost is not known.
    pub unpriced_events: u64,
    /// In the report's currency.
    pub cost: Amount,
    /// Of the period before.
    pub previous_cost: Amount,
    /// Calls of the period before.
    pub previous_calls: u64,
    /// `cost / calls`; `None` without calls.
    #[serde(default)]
    pub cost_per_call: Option<Amount>,
    /// `cost - previous_cost`
    #[serde(default)]
    pub change: Amount,
    /// The same as a share of the period before; `None` when that cost nothing.
    #[serde(default)]
    pub change_ratio: Option<f64>,
    /// `errors / calls`
    #[serde(default)]
    pub failure_rate: Option<f64>,
}

impl Line {
    /// With what is worked out from the rest.
    fn complete(mut self) -> Self {
        self.cost_per_call = self.cost.per(self.calls);
        self.change = self.cost.less(self.previous_cost);
        let before = self.previous_cost.approximate();
        self.change_ratio = (before > 0.0).then(|| self.change.approximate() / before);
        self.failure_rate = (self.calls > 0).then(|| self.errors as f64 / self.calls as f64);
        self
    }
}

/// Spend by one dimension.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// `provider`, `model`, ...
    pub by: &'static str,
    /// The dearest ones, dearest first.
    pub lines: Vec<Line>,
    /// Values that are not listed.
    pub others: u64,
    /// What they cost: the total less the lines.
    pub others_cost: Amount,
}

/// Spend of a piece of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// `2026-11-22` or `07`.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// In the report's currency.
    pub cost: Amount,
}

/// Key figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kpis {
    /// `total.cost / total.calls`
    pub cost_per_call: Option<Amount>,
    /// Of calls that name a feature.
    pub cost_per_feature_call: Option<Amount>,
    /// Failed calls of all.
    pub failure_rate: Option<f64>,
    /// Users with an event in the period; `None`: users are not counted.
    pub users: Option<u64>,
    /// What events that name a user cost, over those users: of a month, the monthly cost per user.
    pub cost_per_user: Option<Amount>,
    /// Revenue of the period.
    pub revenue: Amount,
    /// `revenue - cost`
    pub margin: Amount,
}
