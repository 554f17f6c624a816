//! Where the spend goes if the business grows, and what a user must bring in: `cost-rhythm scenario`.
//!
//! | file | what |
//! |---|---|
//! | `growth` | the arithmetic, exact |
//! | `read` | the measured month from ClickHouse |
//! | `text` | for people: terminal and Markdown; JSON is the outlook itself |

mod growth;
mod read;
mod text;

pub use growth::{BreakEven, MOST_MONTHS, Scenario, ScenarioMonth, UsersNeeded};
pub use read::{OutlookQuestion, read};
pub use text::{markdown, terminal};

use serde::Serialize;

use crate::Amount;
use crate::periodic::Period;

/// A measured month, where it leads in each scenario, and what a user must bring in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// Format of this document.
    pub format: &'static str,
    /// Version of the program.
    pub version: String,
    /// When, by ClickHouse's clock; RFC 3339.
    pub generated_at: String,
    /// Database that was asked.
    pub database: String,
    /// Of all amounts.
    pub currency: String,
    /// The measured month.
    pub month: Period,
    /// What was measured in it.
    pub measured: Measured,
    /// Per user; `None` when no event of the month names one.
    pub break_even: Option<BreakEven>,
    /// Month by month.
    pub scenarios: Vec<Projected>,
    /// What this outlook does not know, in words.
    pub notes: Vec<String>,
}

/// The measured month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Counted events.
    pub events: u64,
    /// Calls to models.
    pub calls: u64,
    /// Events whose cost is not known.
    pub unpriced_events: u64,
    /// All measured spend.
    pub cost: Amount,
    /// Of it on models: grows with usage.
    pub variable_cost: Amount,
    /// The rest of the measured spend, and what was given as fixed cost beside it: does not grow.
    pub fixed_cost: Amount,
    /// Of the fixed cost what no event reports: given by whoever asked.
    pub unmeasured_fixed_cost: Amount,
    /// Users with an event.
    pub users: u64,
    /// `None`: no event tells revenue.
    pub revenue: Option<Amount>,
}

/// A scenario and its months; the first is the measured one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Projected {
    /// Its factors.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// Month by month.
    pub months: Vec<ScenarioMonth>,
}
