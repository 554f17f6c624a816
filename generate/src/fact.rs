//! The facts of one event before any format spells them.

use std::fmt;

use schemas::{Kind, Money, Timestamp, Tokens};

/// The identity within its source: run and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// From the seed, so that two runs do not meet.
    pub run: u32,
    /// Which message of the run made it first.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

/// What one event says. Empty text: not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The identity within `source`.
    pub id: EventId,
    /// Who published it.
    pub source: &'static str,
    /// Event time.
    pub occurred_at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// For adjustments: what is corrected.
    pub adjusts: Option<EventId>,
    /// See [`schemas::Dimension`]; so are the next ones.
    pub provider: &'static str,
    /// The model as the event says it.
    pub model: &'static str,
    /// A cloud service.
    pub service: &'static str,
    /// chat or embeddings.
    pub operation: &'static str,
    /// The route.
    pub route: &'static str,
    /// The feature.
    pub feature: &'static str,
    /// The task.
    pub task_type: &'static str,
    /// The user is called `u-` and this number.
    pub user: Option<u32>,
    /// The team.
    pub team: &'static str,
    /// The project.
    pub project: &'static str,
    /// The environment.
    pub environment: &'static str,
    /// The cost centre.
    pub cost_center: &'static str,
    /// The owner.
    pub owner: &'static str,
    /// The one tag, `region`.
    pub region: &'static str,
    /// Is it a batch call? Else the standard tier.
    pub is_batch: bool,
    /// Disjoint counts.
    pub tokens: Tokens,
    /// Does the event say its output tokens?
    pub output_given: bool,
    /// Value and currency code.
    pub amount: Option<(Money, &'static str)>,
    /// US dollars.
    pub revenue: Option<Money>,
    /// Milliseconds.
    pub latency_ms: Option<u64>,
    /// ok, error, timeout, aborted.
    pub status: &'static str,
    /// The kind of error.
    pub error_type: &'static str,
    /// The one attribute, `note`.
    pub note: &'static str,
}

impl Fact {
    /// Are the counts given that a price needs?
    pub fn is_usage_known(&self) -> bool {
        self.has_counts() && (self.output_given || self.operation == "embeddings")
    }

    /// Are there token counts?
    pub fn has_counts(&self) -> bool {
        self.kind == Kind::Llm || (self.kind == Kind::Adjustment && self.amount.is_none())
    }
}
