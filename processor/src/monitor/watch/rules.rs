//! What is watched, and by which rules.

use detection::action::{ActionLimits, GateSettings};
use schemas::notes::Feedback;
use schemas::{Dimension, GroupingSet, Money};

/// `[watch]` of the configuration. Every rule has a switch of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchRules {
    /// Names of grouping sets that are not watched, or `None`: nothing is.
    pub except: Option<Vec<String>>,
    /// Most series watched of each set, in one partition of the partials topic. Those that spend most are.
    pub max_series: usize,
    /// The money gate: what is less than this above what is usual is not told, in US dollars an hour (of the rules by the day: a day).
    pub min_amount: Money,
    /// The same as a share: a spike is at least so many times what was expected.
    pub min_factor: Money,
    /// Spend of an hour that is rare for the series, by its own history.
    pub spike: bool,
    /// Spend of a closed hour that is far below what is usual, by the series' own history.
    pub drop: bool,
    /// Spend of an hour at or above so many times the mean of the hours before (a week at most).
    pub hourly_mean: Option<Money>,
    /// Spend of an hour at or above this amount, in US dollars. No money gate.
    pub hour_above: Option<Money>,
    /// Spend of a day at or above so many times that of the day before.
    pub day_over_day: Option<Money>,
    /// Spend of a day at or above so many times the mean of the seven days before.
    pub weekly_mean: Option<Money>,
    /// A service or model on which nothing was spent before.
    pub first_spend: bool,
    /// Coherence, phase, entropy and state of every watched series, and alerts about scopes that have a budget.
    pub rhythm: bool,
    /// Does a scope that will end far below its budget count as off its pace, like one that will end above it?
    pub below_budget_is_off_pace: bool,
    /// From which projected spend on an action is recommended.
    pub actions: ActionLimits,
    /// How the gate score is made.
    pub gate: GateSettings,
    /// What people have said.
    pub feedback: Vec<Feedback>,
}

impl WatchRules {
    /// Nothing is watched.
    pub fn off() -> Self {
        WatchRules { except: None, ..WatchRules::default() }
    }

    /// Is the set watched? Those that tell users apart are not, unless they are no exception.
    pub fn watches(&self, set: &GroupingSet) -> bool {
        let is_budget = set.name.starts_with("budget:");
        let tells_users = set.key.contains(&Dimension::UserId);
        self.except.as_ref().is_some_and(|except| !(except.contains(&set.name) || is_budget && tells_users))
    }
}

impl Default for WatchRules {
    fn default() -> Self {
        WatchRules {
            except: Some(vec!["user".to_owned()]),
            max_series: 2000,
            min_amount: Money::from_whole(10),
            min_factor: Money::from_units(1_500_000_000_000_000_000),
            spike: true,
            drop: true,
            hourly_mean: Some(Money::from_whole(3)),
            hour_above: None,
            day_over_day: Some(Money::from_units(1_500_000_000_000_000_000)),
            weekly_mean: Some(Money::from_whole(2)),
            first_spend: true,
            rhythm: true,
            below_budget_is_off_pace: false,
            actions: ActionLimits::default(),
            gate: GateSettings::default(),
            feedback: Vec::new(),
        }
    }
}
