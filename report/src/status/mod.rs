//! How the spend stands now: rhythm, budgets, what is recommended, and the proof of that judgement.
//!
//! | file | what |
//! |---|---|
//! | `read` | the questions |
//! | `action` | the recommended action of a budget |
//! | `verdict` | the one state that the exit code stands for |
//! | `terminal`, `markdown` | for people |
//! | `proof` | for programs: JSON with the hash of what was judged |
//!
//! A judgement is made only of what is known and new: a scope that is still learning, idle, without rows or with old rows has no say, and if no
//! scope has one there is no judgement, which is an error and not a good state.

mod action;
mod markdown;
mod proof;
mod read;
mod terminal;
mod verdict;

pub use markdown::markdown;
pub use proof::{Proof, sha256};
pub use read::read;
pub use terminal::terminal;

use detection::action::Action;
use detection::rhythm::State;
use schemas::budget::CountedBudget;
use serde::{Deserialize, Serialize};

use crate::Amount;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Scopes that must all be judged. Empty: the total and the scope of every budget, as far as they can be.
    pub scopes: Vec<String>,
    /// The configured budgets, for the scopes that their rhythm is kept under where the view `budget_definitions` does not say.
    pub budgets: Vec<CountedBudget>,
    /// Rows and events older than this are no ground for a judgement, seconds.
    pub stale_after_s: i64,
    /// Of the program.
    pub version: String,
    /// That was asked.
    pub database: String,
}

/// A judgement with all that it was made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Format of this document.
    pub format: &'static str,
    /// Version of the program.
    pub version: String,
    /// When, by ClickHouse's clock; RFC 3339.
    pub judged_at: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// What it is made of.
    pub scopes: Vec<ScopeStatus>,
    /// Every budget in its newest period.
    pub budgets: Vec<BudgetStatus>,
    /// Alerts of the last 24 hours that were not resolved, newest first, at most 50.
    pub open_alerts: Vec<OpenAlert>,
    /// What was there to judge by.
    pub inputs: Inputs,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `None`: there is no judgement.
    pub state: Option<State>,
    /// 0 resonant, 1 dissonant, 2 chaotic, 3 no judgement.
    pub exit_code: u8,
    /// In words.
    pub reason: String,
}

/// The latest rhythm of a scope.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeStatus {
    /// As budgets, alerts and rhythm write it.
    pub scope: String,
    /// Does the verdict rest on it?
    pub is_judged: bool,
    /// Why it does not, or what the state means.
    pub note: String,
    /// Its newest row; `None`: there is none.
    pub rhythm: Option<RhythmFound>,
}

/// A row of the view `rhythm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RhythmFound {
    /// The scope.
    pub scope: String,
    /// The hour that it is about, RFC 3339.
    pub hour: String,
    /// Seconds since that hour ended.
    pub age_s: i64,
    /// State.
    pub state: State,
    /// Good from 0.7.
    pub coherence: Option<f64>,
    /// Good from 0.8.
    pub phase: Option<f64>,
    /// Good up to 0.5.
    pub entropy: Option<f64>,
    /// Spent in the hour, US dollars.
    pub actual: Option<Amount>,
    /// Expected of it.
    pub expected: Option<Amount>,
}

/// A budget in its newest period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetStatus {
    /// The row.
    #[serde(flatten)]
    pub row: BudgetFound,
    /// The scope of its rhythm.
    pub rhythm_scope: String,
    /// That scope's state; `None`: not known, or too old.
    pub state: Option<State>,
    /// What forecast and action rest on: `pace` (the monitor's, of the newest closed hour), else `straight_line`, or `spent` while the period is too
    /// young for a projection.
    pub forecast_basis: &'static str,
    /// Where the period ends on that basis.
    pub forecast: Amount,
    /// One outcome in ten ends below, one above; of a pace.
    pub forecast_range: Option<[Amount; 2]>,
    /// When the limit is reached on that basis, RFC 3339; `None`: not in this period, or already.
    pub exceeded_at: Option<String>,
    /// What to do. It needs approval.
    pub action: Action,
    /// Probability that its condition on the money holds at the period's end; of a pace.
    pub confidence: Option<f64>,
    /// 0 to 100; of a pace, if enough is known.
    pub gate_score: Option<f64>,
}

/// A row of the view `budget_forecast`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetFound {
    /// Name.
    pub budget: String,
    /// For whom; empty: one budget for all.
    pub scope: String,
    /// `2026-11`
    pub period: String,
    /// RFC 3339.
    pub period_end: String,
    /// Of the amounts.
    pub currency: String,
    /// So far.
    pub spent: Amount,
    /// The budget.
    pub limit: Amount,
    /// On a straight line to the period's end.
    pub projection: Option<Amount>,
    /// `spent / limit`
    pub ratio: Option<f64>,
    /// When the straight line meets the limit, RFC 3339; `None`: not in this period, or already.
    #[serde(skip_serializing)]
    pub exceeded_at: Option<String>,
    /// Highest threshold reached, or empty.
    pub level: String,
    /// Is the period not over?
    pub is_running: u8,
    /// Seconds since the period ended; negative: it has not.
    #[serde(skip_serializing)]
    pub ended_s: i64,
    /// Scopes of this budget in all; at most ten of them, those that have used most, are listed.
    pub scopes: u64,
}

/// A row of the view `budget_pace`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct PaceFound {
    budget: String,
    scope: String,
    period: String,
    age_s: i64,
    forecast: Amount,
    low: Amount,
    high: Amount,
    exceeded_at: Option<String>,
    action: Action,
    confidence: Option<f64>,
    gate_score: Option<f64>,
}

/// An alert that was not resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// Rule.
    pub rule: String,
    /// Scope.
    pub scope: String,
    /// Period.
    pub period: String,
    /// Level.
    pub level: String,
    /// RFC 3339.
    pub occurred_at: String,
    /// What happened.
    pub explanation: String,
}

/// What was there to judge by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inputs {
    /// Database that was asked.
    pub database: String,
    /// Older than this is no ground for a judgement, seconds.
    pub stale_after_s: i64,
    /// Newest event of the last 40 days, RFC 3339; `None`: there is none.
    pub newest_event_at: Option<String>,
    /// Its age, seconds.
    pub newest_event_age_s: Option<i64>,
    /// Events of the last 24 hours.
    pub events_24h: u64,
    /// Of them without a price: their cost is not known.
    pub unpriced_events_24h: u64,
    /// Where every input partition stands.
    pub accounts: Vec<AccountFound>,
}

/// A row of the view `pipeline_accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFound {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offsets that were read.
    pub offsets_in: u64,
    /// Of them counted.
    pub counted: u64,
}
